package events

import (
	"slices"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/zre"
)

// MaxNotices is how many events are left of those unread that are not about peers.
const MaxNotices = 64

// unread is what the queue holds of one peer since it last carried content.
type unread struct {
	suspect *Event
	changed *Event
	join    map[string]*Event
	since   []*Event // all since it entered, that included; empty if it did before
}

// compact takes from a queue the events that cancel out: an enter and exit, a
// join and leave, a suspect and recover, with no content of the peer between
// them, of each peer all changes but the last, and for each group all leaders but the last,
// and that too if it leaves. Of those that are not about peers it leaves the latest, and
// each overrun. The order of the rest stays, and the last event of a peer
// shows it as it is after those that were taken. What a snapshot holds and
// what it does not never make up for each other. Taken events have no type until
// the end.
func compact(queue []*Batch, snapshot uint64) []*Batch {
	open, leaders := map[uuid.UUID]*unread{}, map[string]*Event{}
	newest, held := map[uuid.UUID]*zre.Peer{}, true
	for _, b := range queue {
		for i := range b.events {
			e := &b.events[i]
			if e.notice() {
				continue
			}
			if held && e.facts.Version > snapshot {
				held = false
				clear(open)
				clear(leaders)
			}
			if e.facts.Type == api.EventTypeLeader {
				if last := leaders[e.facts.Group]; last != nil {
					last.facts.Type = 0
				}
				leaders[e.facts.Group] = e
			}
			id := e.facts.Peer.UUID()
			if last := leaders[e.facts.Group]; e.facts.Type == api.EventTypeLeave && last != nil && last.facts.Peer.UUID() == id {
				last.facts.Type = 0
				delete(leaders, e.facts.Group)
			}
			newest[id] = e.facts.Peer
			u := open[id]
			if u == nil || e.Carries() {
				u = &unread{join: map[string]*Event{}}
				open[id] = u
			}
			u.see(e)
		}
	}
	notices := 0
	for _, b := range slices.Backward(queue) {
		for i := range slices.Backward(b.events) {
			e := &b.events[i]
			if e.facts.Type == api.EventTypeOverrun {
				continue
			}
			if e.notice() {
				if notices++; notices > MaxNotices {
					e.facts.Type = 0
				}
			} else if p := newest[e.facts.Peer.UUID()]; p != nil && e.facts.Type != 0 {
				delete(newest, p.UUID())
				if e.facts.Type != api.EventTypeExit {
					e.facts.Peer = p
				}
			}
		}
	}
	return slices.DeleteFunc(queue, func(b *Batch) bool {
		b.events = slices.DeleteFunc(b.events, func(e Event) bool { return e.facts.Type == 0 })
		return len(b.events) == 0
	})
}

func (u *unread) see(e *Event) {
	if len(u.since) > 0 {
		u.since = append(u.since, e)
	}
	switch e.facts.Type {
	case api.EventTypeEnter:
		u.since = append(u.since[:0], e)
	case api.EventTypeExit:
		for _, s := range u.since {
			s.facts.Type = 0
		}
		*u = unread{join: map[string]*Event{}}
	case api.EventTypeSuspect:
		u.suspect = e
	case api.EventTypeRecover:
		u.suspect = cancel(u.suspect, e)
	case api.EventTypeChanged:
		if u.changed != nil {
			u.changed.facts.Type = 0
		}
		u.changed = e
	case api.EventTypeJoin:
		u.join[e.facts.Group] = e
	case api.EventTypeLeave:
		cancel(u.join[e.facts.Group], e)
		delete(u.join, e.facts.Group)
	}
}

// cancel takes both of a pair from the queue if the first is still unread.
func cancel(first, second *Event) *Event {
	if first != nil {
		first.facts.Type, second.facts.Type = 0, 0
	}
	return nil
}
