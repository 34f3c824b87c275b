package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sjohnr/at-once/bindings/go/once"
)

func identityCommand(with *common) *cobra.Command {
	var asJSON bool
	show := func(who *once.Identity) error { return printIdentity(os.Stdout, asJSON, who) }
	export := func(who *once.Identity) error {
		_, err := io.WriteString(os.Stdout, who.Certificate())
		return err
	}
	shower := &cobra.Command{
		Use:     "show [DIR]",
		Short:   "tell the id and the public key, and the network if it is a member of one",
		Example: "  once identity show\n  once identity show --json ./ben | jq -r .id",
		Args:    cobra.MaximumNArgs(1),
		RunE:    inDirectory("identity", &with.identity, once.LoadIdentity, show),
	}
	jsonFlag(shower.Flags(), &asJSON)
	return family(&cobra.Command{
		Use:   "identity",
		Short: "make and show who a node is",
		Long: `An identity is a secret key that a node's id is made of: nobody else can have that
id. With --identity DIR a node is the same each time; without, somebody new.

DIR is by default that of --identity (or ONCE_IDENTITY), and if that is not given,
once/identity in the user's configuration directory.`,
		Example: `  once identity new
  once chat --group room --identity ~/.config/once/identity`,
	}, shower, &cobra.Command{
		Use:     "new [DIR]",
		Short:   "make a new identity, where there is none yet",
		Example: "  once identity new\n  once identity new ./ben",
		Args:    cobra.MaximumNArgs(1),
		RunE:    inDirectory("identity", &with.identity, fresh(once.LoadIdentity, once.OpenIdentity), show),
	}, &cobra.Command{
		Use:     "export [DIR]",
		Short:   "write the public certificate of CURVE, for Zyre and zauth",
		Example: "  once identity export > certificates/ana.cert",
		Args:    cobra.MaximumNArgs(1),
		RunE:    inDirectory("identity", &with.identity, once.LoadIdentity, export),
	})
}

// identityRecord is an identity as JSON.
type identityRecord struct {
	ID          string   `json:"id"`
	PublicKey   string   `json:"public_key"`
	Directory   string   `json:"directory"`
	Network     string   `json:"network,omitempty"` // its public key
	Name        string   `json:"name,omitempty"`
	Roles       []string `json:"roles"`
	MemberUntil string   `json:"member_until,omitempty"` // RFC 3339
	Membership  string   `json:"membership,omitempty"`   // valid, expired or revoked
}

func printIdentity(w io.Writer, asJSON bool, who *once.Identity) error {
	r := identityRecord{
		ID: who.UUID().String(), PublicKey: who.PublicKey(), Directory: who.Directory(),
		Network: who.Network(), Name: who.MemberName(), Roles: who.Roles(),
	}
	if until := who.MemberUntil(); r.Network != "" {
		r.MemberUntil, r.Membership = until.UTC().Format(time.RFC3339), "valid"
		switch {
		case who.Revoked():
			r.Membership = "revoked"
			advise("the network has revoked the membership: ask who made it for another invite")
		case time.Now().After(until):
			r.Membership = "expired"
			advise("the membership has expired: %s", renewal)
		}
	}
	return printRecord(w, asJSON, r, "id", r.ID, "public key", r.PublicKey, "directory", r.Directory,
		"network", r.Network, "name", r.Name, "roles", strings.Join(r.Roles, ", "), "member until", r.MemberUntil, "membership", r.Membership)
}

// printFields writes names and values in turn, a pair a line, without empty values.
func printFields(w io.Writer, pairs ...string) error {
	var text bytes.Buffer
	for pair := range slices.Chunk(pairs, 2) {
		if pair[1] != "" {
			fmt.Fprintf(&text, "%-12s  %s\n", pair[0], clean(pair[1]))
		}
	}
	_, err := w.Write(text.Bytes())
	return err
}
