package main

import (
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/sjohnr/at-once/bindings/go/once"
)

func identityCommand(with *common) *cobra.Command {
	var asJSON bool
	show := func(who *once.Identity) error { return printIdentity(os.Stdout, asJSON, who) }
	list := &cobra.Command{
		Use:     "list [--json]",
		Short:   "list the profiles: who they are, and whose members",
		Example: "  once identity list\n  once identity list --json | jq -r .directory",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return printProfiles(os.Stdout, isTerminal(os.Stdout), asJSON) },
	}
	jsonFlag(list.Flags(), &asJSON)
	export := func(who *once.Identity) error {
		_, err := io.WriteString(os.Stdout, who.Certificate())
		return err
	}
	shower := &cobra.Command{
		Use:     "show [NAME-or-DIR]",
		Short:   "tell the id and the public key, and the network if it is a member of one",
		Example: "  once identity show\n  once identity show --json ./ben | jq -r .id",
		Args:    cobra.MaximumNArgs(1),
		RunE:    inDirectory("identity", &with.identity, once.LoadIdentity, show),
	}
	jsonFlag(shower.Flags(), &asJSON)
	return family(&cobra.Command{
		Use:   "identity",
		Short: "make and show who a node is",
		Long: `An identity is a secret key that a node's id is made of: nobody else can have
that id. Once there is the default profile, which once identity new and once
join make, all commands are that one; before, and with --identity none, a node
is somebody new each time.

A word is the NAME of a profile in the user's configuration directory:
once/identity there is the one named default, once/identities/NAME are the
others. What has a slash or begins with a dot is a DIR. Without either it is
that of --identity (or ONCE_IDENTITY), else the default profile.

One node at a time runs with an identity. While it does, all commands of the
user with that identity go through it, and end with it if they have not before.`,
		Example: `  once identity new
  once identity new ben
  once chat --group room --identity ben`,
	}, shower, list, &cobra.Command{
		Use:     "new [NAME-or-DIR]",
		Short:   "make a new identity, where there is none yet",
		Example: "  once identity new\n  once identity new ben\n  once identity new ./ben",
		Args:    cobra.MaximumNArgs(1),
		RunE: inDirectory("identity", &with.identity, fresh(once.LoadIdentity, once.OpenIdentity), func(who *once.Identity) error {
			introduce(who)
			return show(who)
		}),
	}, &cobra.Command{
		Use:     "export [NAME-or-DIR]",
		Short:   "write the public certificate of CURVE, for Zyre and zauth",
		Example: "  once identity export > certificates/ana.cert",
		Args:    cobra.MaximumNArgs(1),
		RunE:    inDirectory("identity", &with.identity, once.LoadIdentity, export),
	})
}
