package zre

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/peermachine"
)

// belief is what the application of a host knows, by its events alone.
type belief struct {
	view    map[uuid.UUID][]string // who is here, in which groups
	doubt   map[uuid.UUID]bool     // and who is suspect
	moods   map[uuid.UUID]string   // the headers of who is here
	leaders map[string]uuid.UUID   // of the groups that the host is in
	seen    map[uuid.UUID]seen
	news    []uuid.UUID // about whom there were events in this step
	jumped  time.Time   // when the clock did, by the world's time
}

// seen is how far an application has followed a peer.
type seen struct {
	life life
	at   int // in the past of that life
}

func newBelief() belief {
	return belief{
		view: map[uuid.UUID][]string{}, doubt: map[uuid.UUID]bool{},
		moods: map[uuid.UUID]string{}, leaders: map[string]uuid.UUID{}, seen: map[uuid.UUID]seen{},
	}
}

// check holds an event against what the application knows, and against the truth.
func (h *host) check(e Event) {
	id := e.Peer.id
	groups, known := h.view[id]
	at, in := slices.BinarySearch(groups, e.Group)
	ok := known
	switch e.Type {
	case api.EventTypeEnter:
		ok = !known
		h.view[id] = nil
		h.moods[id] = e.Peer.Header("MOOD")
		h.seen[id] = seen{life{id, e.Peer.incarnation}, 0}
	case api.EventTypeExit:
		delete(h.view, id)
		delete(h.doubt, id)
		h.unlead(id, "")
		if e.Reason != peermachine.ReasonStopped && h.waiting(id) {
			h.fail("host %d exits (%s), though content of it waits", h.world.number(id), e.Reason)
		}
		if lie := h.lie(e); lie != "" {
			h.fail("exit of host %d: %s is not true: %s", h.world.number(id), e.Reason, lie)
		}
	case api.EventTypeSuspect, api.EventTypeRecover:
		ok = ok && h.doubt[id] == (e.Type == api.EventTypeRecover)
		h.doubt[id] = e.Type == api.EventTypeSuspect
		if h.doubt[id] && !h.hadTrouble(id, silent+evasive) && h.world.now.Sub(h.jumped) > silent && !h.contested(id) {
			h.fail("host %d is suspect, though all was well", h.world.number(id))
		}
	case api.EventTypeChanged:
		ok = ok && h.moods[id] != e.Peer.Header("MOOD")
		h.moods[id] = e.Peer.Header("MOOD")
	case api.EventTypeJoin:
		ok = ok && !in
		h.view[id] = slices.Insert(slices.Clone(groups), at, e.Group)
	case api.EventTypeLeave:
		ok = ok && in
		if in {
			h.view[id] = slices.Delete(slices.Clone(groups), at, at+1)
		}
		h.unlead(id, e.Group)
	case api.EventTypeLeader:
		ok = h.own[e.Group] && (known && in || id == h.id && h.contests[e.Group]) && h.leaders[e.Group] != id
		h.leaders[e.Group] = id
	}
	if !ok {
		h.fail("event %s of host %d %q comes out of turn (known %v, in group %v)", e.Type, h.world.number(id), e.Group, known, in)
	}
	if !slices.Contains(h.news, id) && id != h.id {
		h.news = append(h.news, id)
	}
	hash := fnv.New64a()
	fmt.Fprint(hash, h.world.digest, h.world.now.UnixNano(), h.number, e.Type, id, e.Group, e.Reason)
	h.world.digest = hash.Sum64()
}

func (h *host) unlead(id uuid.UUID, group string) {
	for g, leader := range h.leaders {
		if leader == id && (group == "" || g == group) {
			delete(h.leaders, g)
		}
	}
}

// lie tells what is wrong with the reason of an exit, if anything.
func (h *host) lie(e Event) string {
	other := h.world.find(e.Peer.id)
	over := other == nil || !other.up() || other.life() != life{e.Peer.id, e.Peer.incarnation}
	switch e.Reason {
	case peermachine.ReasonStopped:
		if !h.core.stopped && h.core.ballots != nil {
			return "we have not stopped"
		}
	case peermachine.ReasonLeft:
		if !over && other.twin == nil && !h.outdone() { // a beacon's goodbye does not tell twins, or lives, apart
			return "it is there"
		}
	case peermachine.ReasonReplaced:
		if !over && (other.twin == nil || other.twin.lives < e.Peer.incarnation) {
			return "it lives"
		}
	default:
		if !over && !h.hadTrouble(e.Peer.id, 2*expired) {
			return "nothing was wrong"
		}
	}
	return ""
}

// contested tells whether another, who is busy, may speak with the host's twin: it goes on
// with the life that counts when it has taken what an earlier one said.
func (h *host) contested(id uuid.UUID) bool {
	other := h.world.find(id)
	return h.twin != nil && other != nil && h.world.now.Sub(other.busy) <= silent+evasive
}

// hadTrouble tells whether there was trouble between the host and another of
// late. To be gone is trouble.
func (h *host) hadTrouble(id uuid.UUID, within time.Duration) bool {
	other := h.world.find(id)
	if other == nil || !other.up() || h.world.apart(h, other) {
		return true
	}
	if other.plain && h.world.now.Sub(other.busy) <= within { // it gives no sign of life while it is
		return true
	}
	at, was := h.world.trouble[[2]*host{h, other}]
	return was && h.world.now.Sub(at) <= within
}

// reflect holds what the application knows after a step against the past of
// those whom the step was about: their groups must have been so, and not before
// what was known of them earlier.
func (h *host) reflect() {
	for _, id := range h.news {
		groups, present := h.view[id]
		if !present {
			continue
		}
		s := h.seen[id]
		past := h.world.pasts[s.life]
		ahead := slices.Index(past[s.at:], groupsText(groups))
		if ahead < 0 && s.life.incarnation == 0 {
			continue // a plain peer's JOIN may be lost without its next connection telling; its next greeting makes that good
		}
		if ahead < 0 {
			h.fail("host %d was never in %v after it was in [%s]; it was in %q", h.world.number(id), groups, past[s.at], past)
		}
		h.seen[id] = seen{s.life, s.at + ahead}
	}
	h.news = h.news[:0]
}

func (h *host) fail(format string, args ...any) {
	h.world.t.Helper()
	h.world.t.Fatalf("after %s, host %d (%s): %s", h.world.now.Sub(time.Unix(1e9, 0)), h.number, h.id, fmt.Sprintf(format, args...))
}

func groupsText(groups []string) string { return strings.Join(groups, ",") }

// converged tells who does not know what there is to know, if anybody.
func (w *world) converged() error {
	for _, h := range w.hosts {
		if h.outdone() {
			continue
		}
		peers := 0
		for _, other := range w.hosts {
			if other == h || h.plain && other.plain || other.outdone() {
				continue
			}
			peers++
			groups, known := h.knows(other.id)
			past := w.pasts[other.life()]
			if !h.plain && h.moods[other.id] != other.mood {
				return fmt.Errorf("host %d takes header of %d for %q, which is %q", h.number, other.number, h.moods[other.id], other.mood)
			}
			if want := past[len(past)-1]; !known || h.doubt[other.id] || groupsText(groups) != want {
				return fmt.Errorf("host %d knows %d (plain %v): %v in %v, should be in [%s]; suspect %v",
					h.number, other.number, other.plain, known, groups, want, h.doubt[other.id])
			}
		}
		if !h.plain && len(h.view) != peers {
			return fmt.Errorf("host %d knows %d peers of %d", h.number, len(h.view), peers)
		}
		if err := h.elected(); err != nil {
			return err
		}
	}
	return nil
}

// knows tells in which groups another host is, and whether it is known.
func (h *host) knows(id uuid.UUID) (groups []string, known bool) {
	if h.zyre != nil {
		return h.zyre.knows(id)
	}
	groups, known = h.view[id]
	return groups, known
}

// elected tells whether a host has it wrong who leads its groups: of those who
// contest, the one with the lowest id.
func (h *host) elected() error {
	for group := range h.own {
		var lowest uuid.UUID
		for _, other := range h.world.hosts {
			if !other.plain && !other.outdone() && other.own[group] && other.contests[group] && (lowest == uuid.Nil || less(other.id, lowest)) {
				lowest = other.id
			}
		}
		if leader := h.leaders[group]; !h.plain && leader != lowest {
			return fmt.Errorf("host %d takes %s for the leader of %s, should be %s", h.number, leader, group, lowest)
		}
	}
	return nil
}
