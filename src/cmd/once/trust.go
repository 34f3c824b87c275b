package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/sjohnr/at-once/bindings/go/once"
)

func trustCommand(with *common) *cobra.Command {
	var asJSON bool
	list := &cobra.Command{
		Use:     "list [--json]",
		Short:   "list the names that were trusted on first use, and whose they are",
		Example: "  once trust list\n  once trust list --json | jq -r .name",
		Args:    cobra.NoArgs,
		RunE: inDirectory("identity", &with.identity, once.LoadIdentity, func(who *once.Identity) error {
			return printPins(os.Stdout, isTerminal(os.Stdout), asJSON, who)
		}),
	}
	jsonFlag(list.Flags(), &asJSON)
	return family(&cobra.Command{
		Use:   "trust",
		Short: "see and change whom an identity trusts",
		Long: `With --trust first-use a node keeps in the directory of its identity with whom a
name first came, and refuses others of that name. With --trust members it lets
in who is a member of its network and was not revoked.

The identity is that of --identity (or ONCE_IDENTITY), and if that is not given,
once/identity in the user's configuration directory.`,
		Example: `  once trust list
  once trust forget ben`,
	}, list, &cobra.Command{
		Use:   "forget NAME-or-UUID",
		Short: "give a name up, or all of an id, so that it can be somebody else's",
		Example: `  once trust forget ben
  once trust forget --identity ./ana 5c0e9b4e-3c1f-8a4e-8a8f-0d5f6a3f9f0e`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			who, err := load("identity", once.LoadIdentity, with.identity)
			if err != nil {
				return err
			}
			name, err := pinOf(who, args[0])
			if err != nil {
				return err
			}
			if err = who.Forget(name); err != nil {
				err = fmt.Errorf("%q: %w (once trust list tells what there is)", args[0], err)
			}
			return err
		},
	}, &cobra.Command{
		Use:   "revoke ROLL|-",
		Short: "take in by hand what the network says of its members",
		Long: `Revoke takes in what once network roll has written: who is a member, and who was
revoked. Nodes pass that on among themselves; this is for who has no way to the
others. What is older than what the identity has changes nothing. A node that
runs takes note within a second.`,
		Example: "  once trust revoke - < roll",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			who, err := load("identity", once.LoadIdentity, with.identity)
			if err != nil {
				return err
			}
			list, err := readWord(cmd.Context(), args[0], "roll")
			if err != nil {
				return err
			}
			return who.Adopt(list)
		},
	})
}

// knownPins returns who is trusted since their first use, sorted by name.
func knownPins(who *once.Identity) (all []known, err error) {
	pins, err := who.Pins()
	for _, name := range slices.Sorted(maps.Keys(pins)) {
		id, fault := uuid.Parse(pins[name])
		all, err = append(all, known{name: name, id: id}), errors.Join(err, fault)
	}
	return all, err
}

// pinOf returns the name or the id that is meant by what somebody calls it.
func pinOf(who *once.Identity, called string) (string, error) {
	all, err := knownPins(who)
	if err != nil {
		return "", err
	}
	return oneOf(all, called)
}

// pinRecord is a name that was trusted on first use, as JSON.
type pinRecord struct {
	Name string `json:"name"`
	Peer string `json:"peer"`
}

func printPins(w io.Writer, terminal, asJSON bool, who *once.Identity) error {
	all, err := knownPins(who)
	if err != nil {
		return err
	}
	var records []pinRecord
	for _, k := range all {
		records = append(records, pinRecord{k.name, k.id.String()})
	}
	return printList(w, terminal, asJSON, "NAME\tID", records, func(r pinRecord) []string { return []string{r.Name, r.Peer} })
}
