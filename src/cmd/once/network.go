package main

import (
	"cmp"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sjohnr/at-once/bindings/go/once"
)

func networkCommand(with *common) *cobra.Command {
	var dir string
	cmd := family(&cobra.Command{
		Use:   "network",
		Short: "make, show, back up and move a network of members",
		Long: `A network is a secret key that makes members. Who has its directory invites
them (once invite), and takes that back (once revoke). Members recognise each
other without asking anybody, so the directory can be kept where no node is.
What is changed there the members pass on among themselves.

Who has the directory, or a copy, has the network: back it up (once network
backup). If it is lost, the backup restores it. If there is none, make another
network and invite all anew. If somebody else may have it, give the network a
new key (once network move) before they do.

DIR is by default that of --network (or ONCE_NETWORK), and if that is not
given, once/network in the user's configuration directory.`,
		Example: `  once network new
  once invite ana > ana.invite
  once network show`,
	}, &cobra.Command{
		Use:     "new [DIR]",
		Short:   "make a new network, where there is none yet, and tell its public key",
		Example: "  once network new\n  once network new ./office",
		Args:    cobra.MaximumNArgs(1),
		RunE: inDirectory("network", &dir, fresh(once.LoadNetwork, once.OpenNetwork), func(network *once.NetworkKey) error {
			tell("made a network; back it up with once network backup FILE, and invite, also yourself, with once invite NAME | once join -")
			_, err := fmt.Println(network.PublicKey())
			return err
		}),
	}, showNetworkCommand(&dir), &cobra.Command{
		Use:   "roll [DIR]",
		Short: "write the network's roll: who is a member, and who was revoked",
		Long: `Roll writes what the members pass on among themselves, one line of text. Who
has no way to the others takes it with once trust revoke. It is no secret, but
it has the names of all members.`,
		Example: "  once network roll > roll",
		Args:    cobra.MaximumNArgs(1),
		RunE: inDirectory("network", &dir, once.LoadNetwork, func(network *once.NetworkKey) error {
			roll, err := network.Roll()
			if err == nil && roll != "" {
				_, err = fmt.Println(roll)
			}
			return err
		}),
	}, renameCommand(with, &dir), spreadCommand(with, &dir), backupCommand(&dir), restoreCommand(with, &dir), moveCommand(with, &dir))
	networkFlag(cmd.PersistentFlags(), &dir)
	return cmd
}

func showNetworkCommand(dir *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show [--json] [DIR]",
		Short: "tell the public key, and who was invited",
		Long: `Show tells the public key on standard error, and the servers that invites
bring, without the SECRETs that each revocation draws anew; and a line for
each who was ever invited: the name, what has become of the membership, until
when it lasts, the id and the roles. "invited" is who has not been met yet, and
may still hold an invite with a secret.`,
		Example: "  once network show\n  once network show --json ./office | jq -r 'select(.state == \"expired\").name'",
		Args:    cobra.MaximumNArgs(1),
		RunE: inDirectory("network", dir, once.LoadNetwork, func(network *once.NetworkKey) error {
			records, err := recordsOf(network)
			if err != nil {
				return err
			}
			if !asJSON {
				fmt.Fprintln(os.Stderr, "once: public key", network.PublicKey())
				servers, err := network.Servers()
				if err != nil {
					return err
				}
				for _, address := range servers {
					public, _, _ := strings.Cut(address, "#")
					fmt.Fprintln(os.Stderr, "once: server", clean(public))
				}
			}
			if _, moved := network.Roll(); moved != nil {
				fmt.Fprintln(os.Stderr, "once:", moved)
			}
			return printList(os.Stdout, isTerminal(os.Stdout), asJSON, "NAME\tMEMBERSHIP\tUNTIL\tID\tROLES", records, func(r memberRecord) []string {
				return []string{r.Name, r.State, r.Until, r.ID, cmp.Or(strings.Join(r.Roles, ","), "-")}
			})
		}),
	}
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

func renameCommand(with *common, dir *string) *cobra.Command {
	var to spreading
	cmd := &cobra.Command{
		Use:   "rename NAME-or-UUID NAME",
		Short: "give a member another name",
		Long: `Rename gives a member another name, and tells the members. The member's node
goes by that name as soon as it hears of it, without being started again.`,
		Example: "  once network rename ben benjamin",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			network, err := load("network", once.LoadNetwork, *dir)
			if err != nil {
				return err
			}
			name, err := memberOf(network, args[0])
			if err != nil {
				return err
			}
			if err := network.Rename(name, args[1]); err != nil {
				return fmt.Errorf("%q: %w (once network show lists the members)", args[0], err)
			}
			return to.report(cmd.Context(), with, network)
		},
	}
	to.register(with, cmd.Flags())
	jsonFlag(cmd.Flags(), &to.asJSON)
	return cmd
}

func spreadCommand(with *common, dir *string) *cobra.Command {
	var to spreading
	cmd := &cobra.Command{
		Use:   "spread",
		Short: "tell the members what the network says, and take in what they know",
		Long: `Spread gives the network's roll to the members that can be reached, who pass
it on to others when they meet them, and says who has it. If members know of a
change that the directory does not, because it was restored from a backup,
that is taken in. Members are looked for on this host's networks and at the
network's servers, there also by the SECRETs that revocations have replaced:
who comes back by an old one is brought the new one while spread waits.`,
		Example: "  once network spread\n  once network spread --wait 1m --interface eth1",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			network, err := load("network", once.LoadNetwork, *dir)
			if err != nil {
				return err
			}
			return to.report(cmd.Context(), with, network)
		},
	}
	to.register(with, cmd.Flags())
	jsonFlag(cmd.Flags(), &to.asJSON)
	return cmd
}
