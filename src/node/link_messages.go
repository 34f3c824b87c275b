package node

import (
	"fmt"
	"slices"

	"github.com/sjohnr/at-once/generated/go/oncelink"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/zmtp"
	"github.com/sjohnr/at-once/src/zre"
)

// passes looks where in the channel a message is, and tells whether it is new, and how many
// octets it counts for. In the channel position is the next. Before a link has begun
// only a greeting has a place on it, which does not count.
func (r *receiver) passes(frames [][]byte, id zremsg.ID, position uint64) (fresh bool, octets int, err error) {
	switch {
	case r.in.ended:
		return false, 0, nil
	case !r.lane.begun && id != zremsg.IDHello:
		return false, 0, errOutOfPlace
	case !r.lane.begun:
		return true, 0, nil
	}
	for _, frame := range frames {
		octets += zmtp.FrameSize(len(frame))
	}
	fresh, err = r.in.reach.Passes(r.lane.at, position, octets)
	r.lane.at += uint64(octets)
	return fresh, octets, err
}

// ofLink takes in a message of the link itself.
func (r *receiver) ofLink(frames [][]byte) error {
	id, _ := oncelink.Peek(frames[0])
	m := oncelink.New(id)
	if err := m.Decode(frames[0], frames[1:]); err != nil {
		return err
	}
	if _, first := m.(*oncelink.Resume); first != (r.lane.theirs == nil) {
		return fmt.Errorf("%w: %v", errOutOfPlace, id)
	}
	said := frames[0][:len(frames[0])-len(guard.MAC{})]
	if ack, ok := m.(*oncelink.Ack); ok {
		return r.acknowledged(ack, said)
	}
	var err error
	begins := false
	r.loop.do(func() {
		switch m := m.(type) {
		case *oncelink.Resume:
			r.lane.theirs = m
			if err = r.loop.takeResume(r, said); r.lane.early == nil {
				m.Mac = nil
			}
		case *oncelink.Begin:
			if err = r.loop.takeBegin(r, m, said); err == nil {
				r.isKnown()
				begins = true
			}
		case *oncelink.Use:
			err = r.loop.takeUse(r, m, said)
		}
	})
	if begins { // what was acknowledged over the link before may be lost with that
		r.again()
	}
	return err
}

// enters tells whether the peer is present, as it is once it speaks. That does not show that it
// has our greeting: it may speak ahead of that.
func (r *receiver) enters() bool {
	r.loop.do(func() {
		if t := r.lane.talk.Load(); t != nil {
			r.loop.step(zre.Taken{Peer: r.peer, Link: t.out.id})
		}
	})
	r.in.channel = r.loop.find(r.peer)
	return r.in.channel != nil
}

// acknowledged takes in how far the peer has come. Before its greeting nothing shows
// whether it is the peer that says so: then that is looked at later.
func (r *receiver) acknowledged(m *oncelink.Ack, said []byte) error {
	t := r.lane.talk.Load()
	if t == nil || m.Other != t.mine {
		return fmt.Errorf("%w: %v", errOutOfPlace, m.ID())
	}
	if t.heard.Load() == nil {
		early := &oncelink.Ack{Own: m.Own, Other: m.Other, Position: m.Position, Edge: m.Edge, Mac: slices.Clone(m.Mac)}
		said = slices.Clone(said)
		kept := false
		r.loop.do(func() {
			if kept = t.in == nil; kept {
				r.lane.later(t, func() error { return t.early(r, early, said) })
			}
		})
		if kept {
			return nil
		}
	}
	passes, err := t.reached(r, m, said)
	if err != nil {
		return err
	}
	r.proven.Store(true)
	r.isKnown()
	if passes || !t.known.Load() {
		r.loop.soon(func() { t.passed(r) })
	}
	return nil
}

// refused is called with what the peer says if it does not let us in, or drops what we
// say. It does not count from whom we have told nothing.
func (r *receiver) refused(reason string) {
	r.loop.do(func() {
		p, name := r.loop.of(r.peer), ""
		if p.talk == nil || r.lane.talk.Load() != p.talk {
			return
		}
		if p.Channel != nil {
			name = p.Peer().Name()
		}
		endpoint := sight.Of(r.link.RemoteAddr())
		if r.beyond {
			endpoint = sight.Met(r.peer)
		}
		r.loop.refusedBy(r.peer, name, endpoint, reason, func() bool { return true })
	})
}
