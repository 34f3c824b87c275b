package node

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/zre"
)

// refusalOf returns what a peer is told of why it is not let in.
func refusalOf(why error) api.EventRefusal {
	is := func(errs ...error) bool {
		for _, err := range errs {
			if errors.Is(why, err) {
				return true
			}
		}
		return false
	}
	switch {
	case is(identity.ErrMember): // whatever is wrong with the token
		return api.EventRefusalMember
	case is(identity.ErrPinned):
		return api.EventRefusalName
	case is(identity.ErrExpired):
		return api.EventRefusalExpired
	case is(errProof, errIdentity, identity.ErrMalformed, identity.ErrForged, identity.ErrStranger, identity.ErrKey, identity.ErrNoCard):
		return api.EventRefusalProof
	}
	return api.EventRefusalFault
}

// refusalSaid returns what a peer has said of why it refuses us, 0 if that is nothing
// that we know.
func refusalSaid(reason string) api.EventRefusal {
	for r := api.EventRefusalProof; r.Text() != ""; r++ {
		if r.String() == reason {
			return r
		}
	}
	return 0
}

// errorSaid returns for people what a peer has said of why it refuses us. Its own words
// are not passed on: they may be anything.
func errorSaid(reason string) error {
	if text := refusalSaid(reason).Text(); text != "" {
		return errors.New(text)
	}
	return errUnknown
}

// notLetIn says who refuses whom.
func notLetIn(why error) error { return fmt.Errorf("this node does not let it in: %w", why) }

// After a refusal the two leave each other alone at that endpoint: whom we do not let
// in is not called again for refusalLife, unless it greets us and is let in; who does
// not let us in is called again after a minute, and not listened to before.
const turnedAwayLife = time.Minute

// maxShunned is of how many that is known. Of more it is not, and they are called.
const maxShunned = 1024

// shunned is where a peer is not called.
type shunned struct {
	peer    uuid.UUID
	address string // as an endpoint has it
}

// shuns are those that are not called.
type shuns struct {
	sync.Mutex
	known map[shunned]shun
}

type shun struct {
	until  time.Time
	theirs bool // the peer does not let us in
}

func (s *shuns) add(where shunned, theirs bool) {
	now, life := time.Now(), refusalLife
	if theirs {
		life = turnedAwayLife
	}
	s.Lock()
	defer s.Unlock()
	if len(s.known) >= maxShunned {
		for old, shun := range s.known {
			if now.After(shun.until) {
				delete(s.known, old)
			}
		}
	}
	if _, known := s.known[where]; known || len(s.known) < maxShunned {
		s.known[where] = shun{now.Add(life), theirs}
	}
}

// of tells whether there is to be no contact with a peer, and that it is the peer's wish.
func (s *shuns) of(where shunned) (shunned, theirs bool) {
	s.Lock()
	defer s.Unlock()
	shun, known := s.known[where]
	shunned = known && time.Now().Before(shun.until)
	return shunned, shunned && shun.theirs
}

func (s *shuns) remove(where shunned) {
	s.Lock()
	defer s.Unlock()
	delete(s.known, where)
}

// turnAway ends the connection of a peer that is not let in. An @Once node is told why
// before: then it is closed when that has gone out, and what else comes means nothing.
func (r *receiver) turnAway(why error) {
	if !r.nonces.fresh() {
		r.hangUp()
		return
	}
	r.away.Store(true)
	r.link.Refuse(refusalOf(why).String())
	r.node.closeSoon(r.link)
}

// shun has us not call a peer that was turned away where it says to be, and end the
// attempt to. Somebody else may have come in its name: that counts for the host only
// that it came from.
func (r *receiver) shun(where shunned) {
	host := hostOf(r.link.RemoteAddr())
	elsewhere := func(e sight.Endpoint) bool { return e.Host() != host }
	if elsewhere(sight.Endpoint{Address: where.address}) {
		return
	}
	r.node.shuns.add(where, false)
	r.node.do(func() {
		c := r.node.loop.calls[r.peer]
		if c != nil && r.node.table.find(r.peer) == nil && !slices.ContainsFunc(*c.endpoints.Load(), elsewhere) {
			r.node.step(zre.Expelled{Peer: r.peer})
		}
	})
}

// dropPlain takes note of content of a peer that is for a group in which only what is
// sealed counts. Both sides are told the first time.
func (r *receiver) dropPlain(peer *Peer, group string) {
	r.node.count("content that is not sealed")
	if _, told := r.dropped[group]; told {
		return
	}
	if len(r.dropped) == 0 {
		r.dropped = map[string]struct{}{}
		if r.nonces.fresh() {
			r.link.Refuse(api.EventRefusalSealed.String())
		}
	}
	r.dropped[group] = struct{}{}
	r.node.refuse(&r.node.meetings, peer.UUID(), peer.Name(), peer.At(),
		fmt.Errorf("this node drops what it says to group %q, where only what is sealed counts", group))
}

// refused is called with what the peer says if it does not let us in, or drops what we
// say.
func (c *caller) refused(reason string) {
	n := c.node
	n.do(func() {
		if c.out == nil { // given up before it stood
			return
		}
		name, endpoint := "", sight.Endpoint{Address: c.out.RemoteAddr().String()}
		if r := n.table.find(c.peer); r != nil {
			p := r.snapshot.Load()
			if linkKey(c.out.Link) == nil && c.endpoint != p.At() { // it may be somebody else who says so
				n.count("refusals from elsewhere")
				n.closeSoon(c.out.Link)
				return
			}
			name = p.Name()
		}
		n.refuse(&n.meetings, c.peer, name, endpoint, errorSaid(reason))
		if said := refusalSaid(reason); said == 0 || said == api.EventRefusalSealed || n.loop.calls[c.peer] != c {
			return
		}
		n.shuns.add(shunned{c.peer, endpoint.Address}, true)
		n.step(zre.TurnedAway{Peer: c.peer})
	})
}
