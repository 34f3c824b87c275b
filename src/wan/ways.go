package wan

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncerecord"
	"github.com/sjohnr/at-once/src/ladder"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
)

// What is kept of what was tried: of so many peers, so much of each.
const (
	maxTried  = 256
	maxTrials = 16
)

// Reach looks for a way to a peer that a server tells of, and returns the first link that the
// node makes. It goes on looking for better ones until LetGo. Lost must follow for the link.
// One call for a peer is under way at a time.
func (a *Access) Reach(ctx context.Context, peer uuid.UUID) (*link.Link, error) {
	if !a.Knows(peer) {
		return nil, ErrUnknown
	}
	made := make(chan ladder.Path, 1)
	a.mu.Lock()
	a.waits[peer] = made
	a.mu.Unlock()
	a.ladder.Reach(peer, guide{a}, nil)
	select {
	case path := <-made:
		return path.Link, nil
	case <-ctx.Done():
	}
	a.mu.Lock()
	if a.waits[peer] == made {
		delete(a.waits, peer)
	}
	a.mu.Unlock()
	select {
	case path := <-made: // at the last moment
		return path.Link, nil
	default:
		return nil, context.Cause(ctx)
	}
}

// Knows tells whether a server tells of a peer, or the node has met it.
func (a *Access) Knows(peer uuid.UUID) bool {
	return a != nil && (a.tells(peer) != nil || a.Kept.has(peer, a.networks()))
}

// Met notes that a peer is present: it is to be met again without a server, too.
func (a *Access) Met(peer uuid.UUID) {
	if a == nil {
		return
	}
	for _, c := range a.clients() {
		p := c.Peer(peer)
		if p == nil || p.Inside == nil {
			continue
		}
		if network, known := c.Network(); known {
			who := &acquaintance{network: network, card: p.Card, met: time.Now(), groups: p.Inside.Groups}
			for _, e := range p.Dialable(c.State().Observed) {
				who.endpoints = append(who.endpoints, e.Bare())
			}
			who.endpoints = who.endpoints[:min(len(who.endpoints), oncerecord.MaxAcquaintanceEndpoints)]
			a.Kept.take(who)
			return
		}
	}
	a.Kept.again(peer, time.Now())
}

// made takes a link that the ladder has made.
func (a *Access) made(path ladder.Path) {
	if path.Rung != ladder.Relayed {
		a.Kept.Reached(path.Peer, sight.Of(path.Link.RemoteAddr()).Bare())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.paths[path.Link] = path
	if wait := a.waits[path.Peer]; wait != nil {
		delete(a.waits, path.Peer)
		wait <- path // for which there is room
		return
	}
	a.node.Made(path)
}

// Arrived says that a link with a peer has come, and tells whether it is of use; else it is
// to be closed. For each that is, Lost must follow.
func (a *Access) Arrived(path ladder.Path) bool {
	if !a.ladder.Arrived(path) {
		return false
	}
	if path.Rung != ladder.Relayed {
		a.note(ladder.Trial{Peer: path.Peer, Rung: path.Rung, Endpoint: path.Link.RemoteAddr().String(), Theirs: true})
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.paths[path.Link] = path
	return true
}

// Lost says that a link has ended which Reach has returned, or Made or Arrived had of use.
func (a *Access) Lost(l *link.Link) {
	if a == nil {
		return
	}
	a.mu.Lock()
	path, stood := a.paths[l]
	delete(a.paths, l)
	a.mu.Unlock()
	if !stood {
		return
	}
	if a.ladder.Lost(path); path.Rung == ladder.Relayed {
		signal(a.doubts) // what has ended it may have ended the conversations with servers, too
	}
}

// Rung returns which kind of way a link is that stands.
func (a *Access) Rung(l *link.Link) ladder.Rung {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.paths[l].Rung
}

// Doubt says that a peer gives no sign of life: see [ladder.Ladder.Doubt]. What has forgotten a
// link to it may have forgotten the connections to servers, too.
func (a *Access) Doubt(peer uuid.UUID) {
	if a != nil && a.ladder.Doubt(peer) {
		signal(a.doubts)
	}
}

// LetGo says that the node wants no way to a peer any more. Links stay as they are.
func (a *Access) LetGo(peer uuid.UUID) {
	if a == nil {
		return
	}
	a.ladder.LetGo(peer)
}

// note notes what became of a rung.
func (a *Access) note(t ladder.Trial) {
	a.mu.Lock()
	defer a.mu.Unlock()
	list, known := a.tried[t.Peer]
	for other := range a.tried {
		if known || len(a.tried) < maxTried {
			break
		}
		delete(a.tried, other)
	}
	list = append(list, t)
	a.tried[t.Peer] = list[max(0, len(list)-maxTrials):]
}

// Tried returns what was tried of late to reach a peer that is looked for, the latest last.
func (a *Access) Tried(peer uuid.UUID) []ladder.Trial {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]ladder.Trial(nil), a.tried[peer]...)
}
