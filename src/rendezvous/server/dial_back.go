package server

import (
	"context"
	"crypto/ecdh"
	"net/netip"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	machine "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
)

// How many nodes are dialled back at a time, and how long each.
const (
	dials    = 64
	dialTime = 5 * time.Second
)

// dialBack connects to the address that a node's connection comes from, and to no other.
func (c *session) dialBack(m *oncemsg.DialBack) *refusal {
	s := c.server
	if c.peer == nil || m.Port == 0 {
		return refuse(machine.ReasonTurn, "publish first, and give a port")
	}
	select {
	case s.dialled <- struct{}{}:
	default:
		return refuse(machine.ReasonBusy, "too many are dialled back: wait").after(time.Second)
	}
	if c.dialling || !c.may.meet(time.Now()) {
		<-s.dialled
		return refuse(machine.ReasonBusy, "the node is being dialled back, or was too often: wait").after(time.Second)
	}
	c.dialling = true
	at := netip.AddrPortFrom(c.at.Addr(), m.Port).String()
	number := c.number
	transport, _ := c.link.RemoteKey()
	s.work.Go(func() {
		err := s.reach(at, transport)
		<-s.dialled
		s.mu.Lock()
		defer s.mu.Unlock()
		c.dialling = false
		answer := &oncemsg.Dialled{Observed: at, Reached: 1}
		if err != nil {
			text := err.Error()
			answer.Reached, answer.Text = 0, text[:min(len(text), oncemsg.MaxDialledText)]
		}
		if p := c.peer; p != nil {
			p.note(at, err == nil, &c.connection)
		}
		if c.state == machine.StateServed {
			c.must(number, answer)
		}
	})
	return nil
}

// reach returns nil if who listens at an address has a transport key.
func (s *Server) reach(at string, transport [32]byte) error {
	ctx, cancel := context.WithTimeout(s.ctx, dialTime)
	defer cancel()
	key, err := ecdh.X25519().NewPublicKey(transport[:])
	if err != nil {
		return err
	}
	conn, err := s.Transport.Dial(ctx, "tcp://"+at)
	if err != nil {
		return err
	}
	l, err := link.Open(ctx, conn, link.Config{Type: zmtp.Dealer, Curve: &zmtp.Curve{Key: s.Identity.Transport(), Server: key}, Pool: &pool})
	if err != nil {
		return err
	}
	return l.Close()
}
