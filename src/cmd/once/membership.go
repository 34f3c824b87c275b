package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// renewal is what to do when a membership has expired.
const renewal = "have who made the network renew it with once invite NAME --id UUID, and take that with once join"

func inviteCommand() *cobra.Command {
	var dir string
	var id uuid.UUID
	var roles []string
	var days int
	var asQR bool
	cmd := &cobra.Command{
		Use:   "invite NAME [--id UUID] [--role ROLE]... [--days 365] [--qr]",
		Short: "invite somebody to a network",
		Long: `Invite writes an invite, one line of text, that makes a member of who takes it with
once join. The member goes by NAME, which nobody else in the network has.

Without --id the invite brings a new identity along and is a secret: who has it can
pass for the member. With --id it is for who has that identity (once identity new),
and no secret. To renew a membership, invite NAME with its id again.`,
		Example: `  once invite ana
  once invite ben --id 5c0e9b4e-3c1f-8a4e-8a8f-0d5f6a3f9f0e --role printer --days 30
  once invite cleo --qr`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			network, err := load("network", once.LoadNetwork, dir)
			if err != nil {
				return err
			}
			invite, err := network.Invite(args[0], strings.Join(roles, ","), id, days)
			if err != nil {
				return err
			}
			if id == uuid.Nil {
				advise("this is a secret: who has it can pass for %s; %[1]s takes it with once join -", clean(args[0]))
			} else {
				advise("%s takes it with once join INVITE DIR, where DIR has the identity %s", clean(args[0]), id)
			}
			if _, err = fmt.Println(invite); err == nil && asQR {
				err = drawQR(os.Stdout, invite)
			}
			return err
		},
	}
	networkFlag(cmd.Flags(), &dir)
	cmd.Flags().TextVar(&id, "id", uuid.Nil, "`UUID` of the identity that is to become a member (default: a new one, in the invite)")
	cmd.Flags().Lookup("id").DefValue = "" // zeros would say nothing
	plainly(cmd.Flags(), "id", "give an id as once identity show tells it")
	cmd.Flags().StringArrayVar(&roles, "role", nil, "`ROLE` that the member has, for applications; may be repeated")
	cmd.Flags().IntVar(&days, "days", 365, "how many `DAYS` the membership lasts")
	plainly(cmd.Flags(), "days", "give a number from 1 to 3650")
	cmd.Flags().BoolVar(&asQR, "qr", false, "draw the invite as a QR code as well")
	return cmd
}

func revokeCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "revoke NAME-or-UUID",
		Short: "take a membership back",
		Long: `Revoke writes the list of all members whose membership was taken back, one line of
text. Nodes let them in until they have been given it, with once trust revoke. The
list is no secret.`,
		Example: `  once revoke ben > revoked
  once trust revoke --identity ./ana - < revoked`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			network, err := load("network", once.LoadNetwork, dir)
			if err != nil {
				return err
			}
			list, err := network.Revoke(args[0])
			if err != nil {
				return fmt.Errorf("%q: %w (once network show lists the members)", args[0], err)
			}
			advise("give this to all members; each takes it with once trust revoke LIST")
			_, err = fmt.Println(list)
			return err
		},
	}
	networkFlag(cmd.Flags(), &dir)
	return cmd
}

func joinCommand(with *common) *cobra.Command {
	return &cobra.Command{
		Use:   "join INVITE|- [NAME-or-DIR]",
		Short: "take an invite, and so become a member of a network",
		Long: `Join keeps the membership in a profile or DIR (see once identity --help), with the
identity that the invite brings or the one that it was made for, and says who you
are now. A node with it is secure then, and lets in members of the network only.

An invite may be a secret, and who is on the same host can see command lines: it is
better taken from standard input, with -.`,
		Example: `  once join - < ana.invite
  once join - ./ben < ben.invite
  once chat --group room --identity ./ben`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := directory("identity", append(args[1:], with.identity)...)
			if err != nil {
				return err
			}
			invite, err := readWord(cmd.Context(), args[0], "invite")
			if err != nil {
				return err
			}
			who, err := once.JoinNetwork(dir, invite)
			if err != nil {
				return err
			}
			introduce(who)
			return printIdentity(os.Stdout, false, who)
		},
	}
}
