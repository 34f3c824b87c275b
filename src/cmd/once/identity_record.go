package main

import (
	"io"
	"strings"
	"time"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// renewal is what to do when a membership has expired.
const renewal = "have who made the network renew it with once invite NAME --again: a node that meets others takes that by itself"

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

func newIdentityRecord(who *once.Identity) identityRecord {
	r := identityRecord{
		ID: who.UUID().String(), PublicKey: who.PublicKey(), Directory: who.Directory(),
		Network: who.Network(), Name: who.MemberName(), Roles: who.Roles(),
	}
	if r.Network == "" {
		return r
	}
	r.MemberUntil, r.Membership = who.MemberUntil().UTC().Format(time.RFC3339), "valid"
	switch {
	case who.Revoked():
		r.Membership = "revoked"
	case time.Now().After(who.MemberUntil()):
		r.Membership = "expired"
	}
	return r
}

func printIdentity(w io.Writer, asJSON bool, who *once.Identity) error {
	r := newIdentityRecord(who)
	switch r.Membership {
	case "revoked":
		advise("the network has revoked the membership: ask who made it for another invite")
	case "expired":
		advise("the membership has expired: %s", renewal)
	}
	return printRecord(w, asJSON, r, "id", r.ID, "public key", r.PublicKey, "directory", r.Directory,
		"network", r.Network, "name", r.Name, "roles", strings.Join(r.Roles, ", "), "member until", r.MemberUntil, "membership", r.Membership)
}
