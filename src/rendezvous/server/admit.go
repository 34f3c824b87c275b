package server

import (
	"crypto/ed25519"
	"slices"
	"time"

	machine "github.com/sjohnr/at-once/generated/go/rendezvousserver"
)

// admits returns why a node, which has proved who it is, is not let in. The caller holds the
// lock.
func (s *Server) admits(who *proved) *refusal {
	p := &s.policy
	switch {
	case p.Members != nil && !slices.ContainsFunc(p.Members, func(key ed25519.PublicKey) bool { return key.Equal(who.members) }):
		return refuse(machine.ReasonStranger, "this server is for members of its networks only")
	case p.Allow != nil && !p.Allow[who.id]:
		return refuse(machine.ReasonStranger, "this server does not know %s: ask who runs it", who.id)
	case who.members == nil:
		return nil
	case who.token == nil:
		return refuse(machine.ReasonStranger, "the network is for members only: show a token")
	case s.rolls.voids(who.token):
		return refuse(machine.ReasonRevoked, "the network has revoked the membership of %s", who.id)
	case who.token.Valid(time.Now()) != nil:
		return refuse(machine.ReasonStranger, "the membership of %s has expired by the server's clock", who.id)
	}
	return nil
}
