package server

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	machine "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/registry"
	"github.com/sjohnr/at-once/src/rendezvous/relay"
)

// New returns a server that listens nowhere yet. Close must follow.
func New(c Config, p Policy) (*Server, error) {
	if c.Registry == nil {
		c.Registry = registry.NewMemory()
	}
	s := &Server{
		Config: c, relay: relay.New(p.Circuits), began: time.Now(), dialled: make(chan struct{}, dials), policy: p,
		line: newLine(), quotas: newQuotas(), sessions: map[*connection]*session{}, counts: newCounts(c.Log),
	}
	s.presence = presence{c.Registry, c.Log, s.counts, map[peerKey]*peer{}}
	s.introductions = introductions{counts: s.counts, waiting: map[uint32]*meeting{}, asks: map[*connection]int{}}
	s.watches = watches{
		registry: c.Registry, log: c.Log, work: &s.work, mu: &s.mu, of: map[rendezvous.Number]*audience{},
		served: func(c *connection) bool { return s.sessions[c].state == machine.StateServed },
	}
	var err error
	if s.rolls, err = newRolls(c.Keep, p.Members); err != nil {
		return nil, err
	}
	if err := s.issue(time.Now()); err != nil {
		return nil, err
	}
	s.ctx, s.end = context.WithCancel(context.Background())
	s.work.Go(s.sweep)
	return s, nil
}

// issue sees to it that the server's card is of late.
func (s *Server) issue(now time.Time) error {
	if s.Identity.Card() != nil {
		return s.Identity.Renew(now)
	}
	incarnation, err := s.Identity.Incarnation(now)
	if err != nil && incarnation == 0 {
		return err
	}
	_, err = s.Identity.Issue(incarnation, now)
	return err
}

// Serve takes the connections of a listener, which it closes, until the server ends.
func (s *Server) Serve(l net.Listener) {
	s.work.Go(func() {
		link.Accept(s.ctx, l, maxConnections, func(conn net.Conn, over func()) {
			s.work.Go(func() {
				c := s.take(conn)
				if c == nil {
					over()
					return
				}
				s.work.Add(1)
				c.link.ServeIdle(c.deliver, func(err error) {
					defer s.work.Done()
					defer over()
					c.end(err)
				})
			})
		}, func(err error) {
			if errors.Is(err, link.ErrTooMany) {
				s.count("connections over the limit")
				return
			}
			s.Log.Warn("cannot accept", "address", l.Addr(), "error", err)
		})
	})
}

// SetPolicy has another policy hold from now on. Who may not be there any more is sent away.
func (s *Server) SetPolicy(p Policy) error {
	s.relay.Limit(p.Circuits)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.rolls.keep(p.Members); err != nil {
		return err
	}
	s.policy = p
	for _, c := range s.sessions {
		if c.who.id == uuid.Nil {
			continue
		}
		if why := s.admits(&c.who); why != nil {
			c.sendAway(why)
		}
	}
	return nil
}

// Drain tells all when to come back, and where they may go meanwhile, and waits until they
// have gone, but not longer than ctx.
func (s *Server) Drain(ctx context.Context, spread time.Duration, elsewhere string) error {
	s.mu.Lock()
	s.draining = &oncemsg.Stop{Elsewhere: elsewhere, Text: "the server ends, or starts again"}
	for _, c := range s.sessions {
		s.draining.Retry = uint32(rand.Int64N(max(int64(spread), 1)) / int64(time.Millisecond))
		c.fire(machine.EventDrain)
	}
	s.mu.Unlock()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		s.mu.Lock()
		left := len(s.sessions)
		s.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close ends the server at once.
func (s *Server) Close() {
	s.end()
	s.mu.Lock()
	for _, c := range s.sessions {
		c.fire(machine.EventViolation)
	}
	s.mu.Unlock()
	s.relay.Close()
	s.work.Wait()
}

// sweepEvery is how often what has a time is looked at.
const sweepEvery = time.Second

// sweep lets what has a time end in time, until the server ends.
func (s *Server) sweep() {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case now := <-ticker.C:
			if err := s.issue(now); err != nil {
				s.Log.Warn("cannot renew the server's card", "error", err)
			}
			s.mu.Lock()
			for _, c := range s.sessions {
				c.expire(now)
			}
			for _, p := range s.presence.peers {
				p.expire(now)
			}
			s.introductions.expire(now)
			s.mu.Unlock()
		}
	}
}
