package node

import (
	"fmt"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/peermachine"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/zre"
)

// event brings the table into step and tells the application.
func (l *loop) event(e zre.Event) {
	e.Peer = l.by(e.Peer)
	id := e.Peer.UUID()
	switch e.Type {
	case api.EventTypeEnter:
		l.enter(e.Peer)
		watch{l}.entered(e.Peer)
		l.guard.Names.Forget(id)
		l.wan.Met(id)
		if w := l.wanted[id]; w != nil {
			close(w.met)
			delete(l.wanted, id)
		}
	case api.EventTypeSuspect:
		l.find(id).Suspected()
		l.work.Go(l.strained)
		if t := l.of(id).talk; t != nil && t.over != nil && t.over.beyond { // a NAT may have forgotten the link
			l.call(id, []sight.Endpoint{sight.Met(id)}, true)
		}
	case api.EventTypeRecover:
		l.find(id).Recovered()
	case api.EventTypeExit:
		gone := l.find(id)
		path := gone.Path()
		if e.Reason != peermachine.ReasonStopped {
			path.Shut()
		}
		l.exits(e.Peer, e.Reason)
		l.exit(id)
		l.returns(e, path)
		l.questions.forget(gone)
		l.fetch()
		l.seek()
		l.sender.Forget(e.Peer.Groups()...)
		p := l.of(id)
		switch {
		case p.talk != nil && p.talk.in != nil:
			l.events.Dismiss(&p.talk.in.Bringer)
		case p.theirs != nil:
			l.events.Dismiss(&p.theirs.in.Bringer)
		}
	case api.EventTypeJoin:
		l.join(id, e.Group)
	case api.EventTypeLeave:
		l.leave(id, e.Group)
		l.find(id).Left(e.Group)
		l.sender.Forget(e.Group)
	}
	l.update(e.Peer)
	l.log(id).Debug("peer "+e.Type.String(), "name", e.Peer.Name(), "group", e.Group, "reason", e.Reason)
	l.version++
	l.events.Post(events.Facts{
		Type: e.Type, Reason: e.Reason, Peer: e.Peer, Group: e.Group, At: e.Time, Version: l.version,
	})
}

// returns gives back to the application what a peer that is gone is not known to have got.
func (s *base) returns(e zre.Event, path *channel.Path) {
	if e.Reason == peermachine.ReasonStopped || !path.Returns() {
		return
	}
	fact := func(group string, content [][]byte) events.Facts {
		return events.Facts{Type: api.EventTypeUndelivered, Peer: e.Peer, Group: group, Content: content, At: e.Time}
	}
	take := func(b *events.Batch) bool {
		lost, more := path.TakeBack(s.guard.ID, func(group string, content [][]byte) { b.Add(fact(group, content)) })
		s.unreturned(lost)
		return more
	}
	look := func(do func([]events.Facts)) {
		path.Look(s.guard.ID, func(group string, content [][]byte) { do([]events.Facts{fact(group, content)}) })
	}
	if !s.events.Return(e.Peer, take, look) {
		s.unreturned(int(path.Rest().Messages))
		path.Discard()
	}
}

// unreturned counts what does not come back.
func (s *base) unreturned(messages int) {
	for range messages {
		s.count("undelivered messages that did not come back")
	}
}

// unreachable tells the application, once in a while, that a node is heard of and
// cannot be met: of the ways to each other one does not work.
func (l *loop) unreachable(out zre.Unreachable) {
	l.count("nodes unreachable")
	p := out.Peer
	endpoint := p.At().Bare()
	why := fmt.Sprintf("it is heard of, but does not accept connections from here at %s: open that TCP port in its firewall", endpoint)
	switch {
	case p.At().Met() && !l.wan.Told(p.UUID()): // who was met before need not be there
		return
	case p.At().Met():
		why = "a server tells of it, but no way to it was found: see once doctor there, and once doctor " + p.UUID().String() + " here"
	case out.Linked:
		why = fmt.Sprintf("it is heard of and accepts connections, but does not connect back: open the TCP port of %s in this host's firewall, or wait if it is busy with what this node said before it was started again", l.site.Endpoint().Bare())
	case out.Greeted:
		why = fmt.Sprintf("it has connected to this node, but does not accept connections from here at %s: open that TCP port in its firewall", endpoint)
	}
	now := time.Now()
	if l.guard.Knows(p.UUID()) || !l.guard.Sightings.Tell(p.UUID(), why, now) {
		return
	}
	l.log(p.UUID()).Warn("node unreachable", "name", p.Name(), "endpoint", p.Endpoint(), "reason", why)
	l.events.Post(events.Facts{Type: api.EventTypeUnreachable, Peer: p, Text: why, At: now})
}
