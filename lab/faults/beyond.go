//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// perFault is how many messages each node says while and after something befalls it. Before that
// all is calm for a while: who has just come is not waited for, and who has just lost a server is
// in no hurry to be back there.
const (
	perFault = 2000
	calm     = 5500 * time.Millisecond
)

// served are nodes who meet over servers.
type served struct {
	*play
	meets, relays *host
}

// overServers has nodes talk over a relay while servers and what lies before them fail.
func overServers(ctx context.Context, s setting, plan plan, r *row) error {
	r.what = fmt.Sprintf("%v, servers", s)
	return perform(ctx, s, r, func(p *play) (err error) {
		s := served{play: p}
		if s.meets, err = p.host("no"); err != nil {
			return err
		}
		if s.relays, err = p.host("yes"); err != nil {
			return err
		}
		for i := range p.nodes {
			if err := p.join(i, 0, s.meets.address, s.relays.address); err != nil {
				return err
			}
		}
		if err := p.present(); err != nil {
			return err
		}
		if err := p.goOn(perFault); err != nil {
			return err
		}
		for _, b := range beyond {
			if b.long && plan.brief {
				continue
			}
			if err := rest(p.ctx, calm); err != nil {
				return err
			}
			if err := s.befalls(b.name, b.do); err != nil {
				return fmt.Errorf("%s: %w", b.name, err)
			}
			r.resets++
		}
		return p.count(r)
	})
}

// befalls has something happen while all speak, and waits until all was heard.
func (s *served) befalls(what string, do func(*served) error) error {
	began := time.Now()
	if err := s.say(s.said + perFault/2); err != nil {
		return err
	}
	if err := do(s); err != nil {
		return err
	}
	if err := s.say(s.said + perFault/4); err != nil {
		return err
	}
	err := s.settle()
	fmt.Printf("%v: %s: all is heard after %v\n", s.setting, what, time.Since(began).Round(time.Millisecond))
	return err
}

// beyond are what befalls two that meet over servers, in turn.
var beyond = []struct {
	name string
	long bool // until all is heard
	do   func(*served) error
}{
	{"the relay is killed", false, func(s *served) error { return s.dies(s.relays) }},
	{"the server is killed", false, func(s *served) error { return s.dies(s.meets) }},
	{"both are killed", false, func(s *served) error {
		s.relays.kill()
		return errors.Join(s.dies(s.meets), s.relays.start())
	}},
	{"the relay forwards one way only", false, func(s *served) error {
		n := 0
		if s.relays.each(true, func(t *trip) { t.oneWay, n = n == 0, n+1 }) == 0 {
			return errors.New("there is no circuit")
		}
		defer s.relays.each(true, func(t *trip) { t.oneWay = false })
		return s.talks(2 * time.Second)
	}},
	{"the address changes", true, func(s *served) error {
		for _, h := range []*host{s.meets, s.relays} {
			h.mu.Lock()
			h.ferry.host++
			h.mu.Unlock()
			h.cuts()
		}
		return s.talks(time.Second)
	}},
	{"the relay is another", true, func(s *served) error { return s.relays.swap() }},
	{"the server is another", false, func(s *served) error { return s.meets.swap() }},
	{"a NAT forgets", true, func(s *served) error {
		s.meets.each(false, func(t *trip) { t.lost = true })
		if s.relays.each(false, func(t *trip) { t.lost = true }) == 0 {
			return errors.New("there is no connection")
		}
		return s.talks(time.Second)
	}},
}

// dies has a server be killed, and started again a while later.
func (s *served) dies(h *host) error {
	h.kill()
	if err := s.talks(time.Second); err != nil {
		return err
	}
	return h.start()
}

// talks lets all say a little more for a while.
func (s *served) talks(wait time.Duration) error {
	if err := s.say(s.said + perFault/4); err != nil {
		return err
	}
	return rest(s.ctx, wait)
}
