package server

import (
	"context"
	"crypto/rand"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	machine "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous/relay"
	"github.com/sjohnr/at-once/src/zmtp"
)

// take begins a conversation over a connection, or makes it an end of a circuit: then there
// is none, nor if it is turned away.
func (s *Server) take(conn net.Conn) *session {
	now := time.Now()
	at, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
	from := prefixesOf(at.Addr())
	s.mu.Lock()
	turn, ok := s.line.enter(now, &s.policy)
	within := ok && s.quotas.enter(from, s.policy.PerAddress)
	switch {
	case !ok:
		s.counts.add("connections turned away: more than the accept rate")
	case !within:
		s.counts.add("connections turned away: too many of one address")
	}
	s.mu.Unlock()
	if !within {
		_ = conn.Close()
		return nil
	}
	conn, ticket, err := s.begin(conn)
	switch {
	case err != nil:
		s.count("connections that began with nothing")
	case ticket != nil:
		if s.relay.Take(conn, ticket) != nil {
			s.count("tickets that were no good")
		}
	default:
		if pass := s.await(conn, from, turn, now.Add(maxTurn)); pass != nil {
			if c := s.open(conn, at, from, pass); c != nil {
				return c
			}
			pass()
		}
	}
	s.leave(from)
	return nil
}

// begin returns the ticket that a connection begins with, which is read, or none.
func (s *Server) begin(conn net.Conn) (net.Conn, []byte, error) {
	err := conn.SetReadDeadline(time.Now().Add(machine.DefaultGreeting))
	silent := conn
	defer context.AfterFunc(s.ctx, func() { _ = silent.Close() })()
	var first byte
	if err == nil {
		conn, first, err = peek(conn)
	}
	var ticket []byte
	if err == nil && first == relay.Mark {
		ticket = make([]byte, relay.TicketSize)
		_, err = io.ReadFull(conn, ticket)
	}
	if err == nil {
		err = conn.SetReadDeadline(time.Time{})
	}
	if err != nil {
		_ = conn.Close()
	}
	return conn, ticket, err
}

// await greets a node, and waits until it is its turn. It returns what ends that, or nil if it
// does not come to it. It does little else, since its stack is what those who wait cost.
func (s *Server) await(conn net.Conn, from []netip.Prefix, turn, last time.Time) (pass func()) {
	err := link.Greet(conn)
	if err == nil {
		pass, err = s.line.await(s.ctx, from[len(from)-1], turn, last)
	}
	if err != nil {
		_ = conn.Close()
		s.count("connections turned away: not their turn in time")
	}
	return pass
}

// open begins a conversation with a node that was greeted, nil if it does not come to that.
func (s *Server) open(conn net.Conn, at netip.AddrPort, from []netip.Prefix, pass func()) *session {
	l, err := link.Open(s.ctx, conn, link.Config{
		Type: zmtp.Router, MaxMessage: oncemsg.MaxMessage, MaxFrames: 1, Greeting: oncemsg.MaxGreeting,
		Outbox: outbox, Reserve: reserve, Handshake: machine.DefaultGreeting, Pool: &pool,
		Curve: &zmtp.Curve{Key: s.Identity.Transport(), Former: s.Former, Admit: anyone}, Greeted: true,
	})
	if err != nil {
		s.count("connections without a handshake")
		return nil
	}
	return s.enter(l, at, from, pass)
}

// enter begins a conversation over a link. One that Close has not seen ends at once.
func (s *Server) enter(l *link.Link, at netip.AddrPort, from []netip.Prefix, pass func()) *session {
	c := &session{
		connection: connection{link: l, work: &s.work, at: netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), from: from},
		server:     s, pass: pass, since: time.Now(), challenge: new([32]byte),
	}
	rand.Read(c.challenge[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[&c.connection] = c
	c.fire(machine.EventStart)
	if s.draining != nil {
		c.fire(machine.EventDrain)
	}
	if s.ctx.Err() != nil {
		c.fire(machine.EventViolation)
	}
	return c
}

// anyone: what a key is worth is found out by AUTHENTICATE.
func anyone([32]byte, net.Addr, *zmtp.Metadata) error { return nil }

// leave counts a connection no more that has ended.
func (s *Server) leave(from []netip.Prefix) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quotas.leave(from)
}
