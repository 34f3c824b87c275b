package zre

import (
	"time"

	"github.com/sjohnr/at-once/generated/go/peermachine"
)

// pulse is when a peer has last given its signs of life, and when they are next asked
// for.
type pulse struct {
	since     time.Time // of the present state
	entered   time.Time // when the peer was present first
	beyond    bool      // it is met by servers
	busy      bool      // when last looked one of us was saying something to the other
	sought    bool      // another way was looked for since it was asked for a sign of life
	stalls    bool      // what it says waits for our application
	heard     time.Time // the latest sign of life that we know of
	took      time.Time // when it was last found to have taken what we sent
	sightedAt time.Time // the latest
	pingedAt  time.Time // the peer last asked for a sign of life
	vanished  time.Time // of a goodbye by beacon, zero if none since sighted
	timer     timer
}

// hears takes in the signs of life of a peer that did not pass through the core: content;
// content that waits because our application is slow, in which case the peer cannot hear
// from us either; and that the peer takes what we send. While there is some to take, its
// beacons are a sign too, unless it takes nothing for long. It tells whether there were any.
func (p *pulse) hears(s Signs, now time.Time, config *Config) bool {
	if s.Took || !s.Owes {
		p.took = now
	}
	heard := s.Heard
	if s.Waiting || s.Took || s.Owes && p.sightedAt.After(p.since) && now.Sub(p.took) < config.Silent {
		heard = now
	}
	p.stalls, p.busy = s.Waiting, s.Busy || s.Heard.After(p.heard)
	if !heard.After(p.heard) {
		return false
	}
	p.heard = heard
	return true
}

// pinged notes that the peer asks for a sign of life, and tells whether it does so again so
// soon that it cannot have heard our answer.
func (p *pulse) pinged(now time.Time, config *Config) (again bool) {
	again = now.Sub(p.pingedAt) < config.Evasive/2
	p.pingedAt = now
	return again
}

// expired returns how long the peer may be quiet until it is gone.
func (p *pulse) expired(config *Config) time.Duration {
	if !p.beyond || p.entered.IsZero() {
		return config.Expired
	}
	return max(config.Expired, min(config.Away, p.since.Sub(p.entered)))
}

// hasty is how long a peer beyond the LAN may be quiet that we are talking with, until it is
// asked for a sign of life.
func (c *Config) hasty() time.Duration { return c.Evasive / 4 }

// seeks returns when the way to a peer beyond the LAN is doubted that was asked for a sign of
// life and has given none: what lies between may have forgotten it, and nobody told. It is
// zero for never.
func (p *pulse) seeks(state peermachine.State, config *Config) (at time.Time) {
	if state == peermachine.StateProbing && p.beyond && !p.sought {
		at = p.since.Add(config.Evasive / 2)
	}
	return at
}

// due returns when a state's time is over, or zero if it has no end. Each time-out but
// the first runs from the entry of its state, so that a node that slept asks before it
// suspects and suspects before it gives up. Only one of two nodes, the first, asks the
// other for a sign of life.
func (p *pulse) due(state peermachine.State, first bool, config *Config) (at time.Time) {
	switch state.Timeout() {
	case peermachine.TimeoutGreeting:
		at = p.since.Add(config.Greeting)
	case peermachine.TimeoutEvasive:
		at = p.heard.Add(config.Evasive + config.slack())
		switch {
		case p.beyond && p.busy:
			at = p.heard.Add(config.hasty())
		case !first:
			at = at.Add(config.slack())
		}
	case peermachine.TimeoutSilent:
		at = p.since.Add(config.Silent - config.Evasive)
		if seeks := p.seeks(state, config); !seeks.IsZero() && seeks.Before(at) {
			at = seeks
		}
	case peermachine.TimeoutExpired:
		at = p.since.Add(p.expired(config) - config.Silent)
	}
	if p.stalls && state.IsPresent() && !state.IsSevered() {
		at = p.heard.Add(config.Evasive / 2)
	}
	return at
}
