package wan

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/ladder"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
)

// Reach looks for a way to a peer that a server tells of, and returns the first link that the
// node makes. It goes on looking for better ones until LetGo. Lost must follow for the link.
// One call for a peer is under way at a time.
func (a *Access) Reach(ctx context.Context, peer uuid.UUID) (*link.Link, error) {
	if !a.Knows(peer) {
		return nil, ErrUnknown
	}
	return a.ways.reach(ctx, peer, a.guide)
}

// Told tells whether a server tells of a peer.
func (a *Access) Told(peer uuid.UUID) bool { return a != nil && a.stays.all().tells(peer) != nil }

// Knows tells whether a server tells of a peer, or the node has met it.
func (a *Access) Knows(peer uuid.UUID) bool { return a != nil && a.guide.knows(peer) }

// Met notes that a peer is present: it is to be met again without a server, too.
func (a *Access) Met(peer uuid.UUID) {
	if a == nil {
		return
	}
	if who := a.stays.all().met(peer); who != nil {
		a.Kept.take(who)
	} else {
		a.Kept.again(peer, time.Now())
	}
}

// made takes a link that the ladder has made.
func (a *Access) made(path ladder.Path) {
	if path.Rung != ladder.Relayed {
		a.Kept.Reached(path.Peer, sight.Of(path.Link.RemoteAddr()).Bare())
	}
	a.ways.made(path, a.node.Made)
}

// Arrived says that a link with a peer has come, and tells whether it is of use; else it is
// to be closed. For each that is, Lost must follow.
func (a *Access) Arrived(path ladder.Path) bool { return a.ways.arrived(path) }

// Lost says that a link has ended which Reach has returned, or Made or Arrived had of use.
func (a *Access) Lost(l *link.Link) {
	if a != nil && a.ways.lost(l) {
		signal(a.doubts) // what has ended it may have ended the conversations with servers, too
	}
}

// Rung returns which kind of way a link is that stands.
func (a *Access) Rung(l *link.Link) ladder.Rung { return a.ways.rung(l) }

// Doubt says that a peer gives no sign of life: see [ladder.Ladder.Doubt]. What has forgotten a
// link to it may have forgotten the connections to servers, too.
func (a *Access) Doubt(peer uuid.UUID) {
	if a != nil && a.ways.ladder.Doubt(peer) {
		signal(a.doubts)
	}
}

// LetGo says that the node wants no way to a peer any more. Links stay as they are.
func (a *Access) LetGo(peer uuid.UUID) {
	if a != nil {
		a.ways.ladder.LetGo(peer)
	}
}

// Tried returns what was tried of late to reach a peer that is looked for, the latest last.
func (a *Access) Tried(peer uuid.UUID) []ladder.Trial { return a.ways.trials.list(peer) }
