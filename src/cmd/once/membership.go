package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/sjohnr/at-once/bindings/go/once"
	"github.com/sjohnr/at-once/bindings/go/once/server"
)

func inviteCommand(with *common) *cobra.Command {
	var dir string
	var id uuid.UUID
	var roles []string
	var days int
	var again, asQR bool
	var to spreading
	var address string
	cmd := &cobra.Command{
		Use:   "invite NAME [--id UUID] [--role ROLE]... [--server ADDRESS] [--again] [--days 365] [--qr]",
		Short: "invite somebody to a network",
		Long: `Invite writes an invite, one line of text, that makes a member of who takes it
with once join. The member goes by NAME, which nobody else in the network has.

Without --id the invite brings a new identity along and is a secret: who has
it can pass for the member. With --id it is for who has that identity (once
identity new), and no secret.

With --server the members find each other across the internet, by the server
whose ADDRESS once server prints. The network remembers it: this invite and
all later ones bring it along, and who takes one has nothing to set. The
address has the network's SECRET, and so the invite is a secret then; who is
on the same host can see command lines, and so @FILE, or - for standard input,
is better than the address itself. Members that are there already are brought
it by each other. The word none has the network forget its servers: members
stay with those that they have.

With --again a member is invited once more, and its membership renewed: the
invite is the same as before if nobody has met the member yet, because it may
be lost; else it is for who has the member's identity. A member that is met
takes the renewal by itself. Then the members that can be reached are told,
and who was is said.`,
		Example: `  once invite ana
  once invite ben --id 5c0e9b4e-3c1f-8a4e-8a8f-0d5f6a3f9f0e --role printer --days 30
  once invite ana --server @address
  once invite ana --again
  once invite cleo --qr`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			network, err := load("network", once.LoadNetwork, dir)
			if err != nil {
				return err
			}
			servers, err := remember(cmd.Context(), network, address)
			if err != nil {
				return err
			}
			var invite string
			if again {
				if invite, err = network.InviteAgain(args[0], days); err != nil {
					return fmt.Errorf("%q: %w (once network show lists the members)", args[0], err)
				}
			} else if invite, err = network.Invite(args[0], strings.Join(roles, ","), id, days); errors.Is(err, once.ErrName) {
				return fmt.Errorf("%w; to invite the same again: once invite %s --again", err, quoted(args[0]))
			} else if err != nil {
				return err
			}
			switch {
			case len(servers) > 0 && (id != uuid.Nil || again):
				advise("this is a secret: who has it sees who is in the network; %s takes it with once join -", clean(args[0]))
			case id == uuid.Nil && !again:
				advise("this is a secret: who has it can pass for %s; %[1]s takes it with once join -", clean(args[0]))
			default:
				advise("%s takes it with once join INVITE", clean(args[0]))
			}
			if _, err = fmt.Println(invite); err == nil && asQR {
				err = drawQR(os.Stdout, invite)
			}
			if err != nil || to.offline {
				return err
			}
			if !isTerminal(os.Stdout) {
				err = os.Stdout.Close() // who reads it need not wait
			}
			who, fault := to.spread(cmd.Context(), with, network, false)
			if who.Number > 0 && fault == nil {
				fmt.Fprintln(os.Stderr, "once:", who)
			}
			return cmp.Or(err, fault)
		},
	}
	networkFlag(cmd.Flags(), &dir)
	cmd.Flags().TextVar(&id, "id", uuid.Nil, "`UUID` of the identity that is to become a member (default: a new one, in the invite)")
	cmd.Flags().Lookup("id").DefValue = "" // zeros would say nothing
	plainly(cmd.Flags(), "id", "give an id as once identity show tells it")
	cmd.Flags().StringArrayVar(&roles, "role", nil, "`ROLE` that the member has, for applications; may be repeated")
	to.register(with, cmd.Flags())
	cmd.Flags().StringVar(&address, "server", "", "have the network's members stay with the rendezvous server at `ADDRESS`, or at that in @FILE or, by -, in standard input, or with none any more")
	cmd.Flags().BoolVar(&again, "again", false, "invite a member once more, and renew its membership")
	cmd.Flags().IntVar(&days, "days", 365, "how many `DAYS` the membership lasts")
	plainly(cmd.Flags(), "days", "give a number from 1 to 3650")
	cmd.Flags().BoolVar(&asQR, "qr", false, "draw the invite as a QR code as well")
	cmd.MarkFlagsMutuallyExclusive("again", "id")
	cmd.MarkFlagsMutuallyExclusive("again", "role")
	return cmd
}

// remember has a network remember a server, if there is an address, and returns those that its
// invites bring.
func remember(ctx context.Context, network *once.NetworkKey, address string) ([]string, error) {
	list, err := addresses(ctx, address)
	switch {
	case err != nil:
		return nil, usage("--server %s: %w", address, err)
	case len(list) > 1:
		return nil, usage("--server %s: %d addresses are there: give one at a time", address, len(list))
	}
	switch address = list[0]; address {
	case "":
	case nobody:
		err = network.SetServer("")
	default:
		if _, err := server.NewNetwork(address); err != nil { // it is no address
			return nil, usage("--server: %w", err)
		}
		err = network.SetServer(address)
	}
	if err != nil {
		return nil, fmt.Errorf("--server: %w", err)
	}
	return network.Servers()
}

// quoted returns a word as a shell takes it.
func quoted(word string) string {
	if strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func revokeCommand(with *common) *cobra.Command {
	var dir string
	var to spreading
	cmd := &cobra.Command{
		Use:   "revoke NAME-or-UUID",
		Short: "take a membership back",
		Long: `Revoke takes a membership back, tells the members that can be reached, and
says who has heard of it. Each lets the revoked one in no more from then on,
tells others when it meets them, and does not forget.

Until a member has heard of it, it talks with the revoked one as before; who
is cut off from all others hears of it when that ends. What the revoked one
was told before it still has, and invites and files that it had are worth
nothing to it. Plain nodes, and nodes with another --trust than members, talk
with whom they like.

If the network has rendezvous servers, by once invite --server, the revoked
one knows its SECRET there, and sees by that who is there when. So another is
drawn for each server. Members bring it each other, sealed, and leave the old
one within two minutes; nobody has to set anything, and an address that was
given to a node by --server, and has the old SECRET, counts no more. A member
that is away meanwhile finds nobody by the old one. It is brought the new one
when it meets another member on a LAN, by once network spread while it is
there, or by another invite (once invite NAME --again, which it takes with
once join).`,
		Example: `  once revoke ben
  once revoke ben --wait 1m --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			network, err := load("network", once.LoadNetwork, dir)
			if err != nil {
				return err
			}
			name, err := memberOf(network, args[0])
			if err != nil {
				return err
			}
			if err = network.Revoke(name); err == nil {
				err = tellSecret(network)
			}
			if errors.Is(err, once.ErrUnknown) && wasRevoked(network, args[0]) {
				tell("%s was revoked before; the members are told again", clean(args[0]))
				err = nil
			}
			if err != nil {
				return fmt.Errorf("%q: %w (once network show lists the members)", args[0], err)
			}
			return to.report(cmd.Context(), with, network)
		},
	}
	networkFlag(cmd.Flags(), &dir)
	to.register(with, cmd.Flags())
	jsonFlag(cmd.Flags(), &to.asJSON)
	return cmd
}

// tellSecret says what a revocation has changed at the network's servers.
func tellSecret(network *once.NetworkKey) error {
	servers, err := network.Servers()
	if len(servers) > 0 {
		tell("the network has a new secret at its servers, which members bring each other; who is away gets it on a LAN, by once network spread, or by once invite NAME --again")
	}
	return err
}

func joinCommand(with *common) *cobra.Command {
	return &cobra.Command{
		Use:   "join INVITE|- [NAME-or-DIR]",
		Short: "take an invite, and so become a member of a network",
		Long: `Join keeps the membership in a profile or DIR (see once identity --help), with
the identity that the invite brings or the one that it was made for, and says
who you are now. A node with it is secure then, and lets in members of the
network only.

An invite may be a secret, and who is on the same host can see command lines:
it is better taken from standard input, with -.`,
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
