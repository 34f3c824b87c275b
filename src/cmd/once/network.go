package main

import (
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sjohnr/at-once/bindings/go/once"
)

func networkCommand() *cobra.Command {
	var dir string
	cmd := family(&cobra.Command{
		Use:   "network",
		Short: "make and show a network of members",
		Long: `A network is a secret key that makes members. Who has its directory invites them
(once invite), and takes that back (once revoke). Members recognise each other
without asking anybody, so the directory can be kept where no node is.

DIR is by default that of --network (or ONCE_NETWORK), and if that is not given,
once/network in the user's configuration directory.`,
		Example: `  once network new
  once invite ana > ana.invite`,
	}, &cobra.Command{
		Use:     "new [DIR]",
		Short:   "make a new network, where there is none yet, and tell its public key",
		Example: "  once network new\n  once network new ./office",
		Args:    cobra.MaximumNArgs(1),
		RunE: inDirectory("network", &dir, fresh(once.LoadNetwork, once.OpenNetwork), func(network *once.NetworkKey) error {
			tell("made a network; who has its directory invites, also oneself: once invite NAME | once join -")
			_, err := fmt.Println(network.PublicKey())
			return err
		}),
	}, &cobra.Command{
		Use:     "show [DIR]",
		Short:   "tell the public key, the members, and the list of who was revoked",
		Example: "  once network show\n  once network show ./office",
		Args:    cobra.MaximumNArgs(1),
		RunE:    inDirectory("network", &dir, once.LoadNetwork, showNetwork),
	})
	networkFlag(cmd.PersistentFlags(), &dir)
	return cmd
}

func networkFlag(flags *pflag.FlagSet, dir *string) {
	flags.StringVar(dir, "network", "", "`DIR` of the network (default: see once network --help)")
}

func showNetwork(network *once.NetworkKey) error {
	members, err := network.Members()
	if err != nil {
		return err
	}
	revoked, err := network.Revoked()
	if err != nil {
		return err
	}
	fields := []string{"public key", network.PublicKey()}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		fields = append(fields, "member", members[name]+"  "+name)
	}
	return printFields(os.Stdout, append(fields, "revoked", revoked)...)
}
