package server

import (
	"crypto/ed25519"
	"net/netip"
	"slices"
	"time"

	machine "github.com/sjohnr/at-once/generated/go/rendezvousserver"
)

// admits returns why a connection, whose node has proved who it is, is not let in. The
// caller holds the lock.
func (s *Server) admits(c *session) *refusal {
	p := &s.policy
	switch {
	case p.Members != nil && !slices.ContainsFunc(p.Members, func(key ed25519.PublicKey) bool { return key.Equal(c.members) }):
		return refuse(machine.ReasonStranger, "this server is for members of its networks only")
	case p.Allow != nil && !p.Allow[c.id]:
		return refuse(machine.ReasonStranger, "this server does not know %s: ask who runs it", c.id)
	case c.members == nil:
		return nil
	case c.token == nil:
		return refuse(machine.ReasonStranger, "the network is for members only: show a token")
	case s.rolls.voids(c.token):
		return refuse(machine.ReasonRevoked, "the network has revoked the membership of %s", c.id)
	case c.token.Valid(time.Now()) != nil:
		return refuse(machine.ReasonStranger, "the membership of %s has expired by the server's clock", c.id)
	}
	return nil
}

func (s *Server) leave(from []netip.Prefix) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quotas.leave(from)
}
