package wan

import (
	"cmp"
	"context"

	"github.com/google/uuid"

	machine "github.com/sjohnr/at-once/generated/go/laddermachine"
	"github.com/sjohnr/at-once/src/ladder"
	"github.com/sjohnr/at-once/src/rendezvous/client"
)

// guide introduces the node to others: by the server that tells of them now, and where none
// does so or it does not answer, by what is kept of them. It is a [ladder.Introducer].
type guide struct {
	stays *stays
	kept  *Kept
}

var _ ladder.Introducer = guide{}

// knows tells whether a server tells of a peer, or the node has met it.
func (g guide) knows(peer uuid.UUID) bool {
	with := g.stays.all()
	return with.tells(peer) != nil || g.kept.has(peer, with.networks())
}

// Look returns what a server tells of a peer.
func (g guide) Look(ctx context.Context, peer uuid.UUID) (*client.Peer, error) {
	by := g.stays.all().tells(peer)
	if by == nil {
		return nil, client.ErrAway
	}
	return by.Look(ctx, peer)
}

// Known returns where a peer is by the word of the server, or was when the node has met it.
func (g guide) Known(peer uuid.UUID) *client.Meeting {
	with := g.stays.all()
	card, kept := g.kept.card(peer, with.networks())
	if by := with.tells(peer); by != nil {
		if m := by.Known(peer); m != nil {
			m.Dial = append(m.Dial, kept...)
			return m
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return &client.Meeting{Proposal: client.Proposal{ID: peer, Card: card}, Dial: kept}
}

// Introduce has a peer asked to meet, who is dialled where it was reached before too. Where
// nobody can ask it, it is dialled there all the same.
func (g guide) Introduce(ctx context.Context, peer uuid.UUID) (*client.Meeting, error) {
	card, kept := g.kept.card(peer, g.stays.all().networks())
	m, err := g.ask(ctx, peer, len(kept) > 0)
	switch {
	case len(kept) == 0 || err != nil && !client.Away(err):
		return m, err
	case err != nil:
		return &client.Meeting{Proposal: client.Proposal{ID: peer, Card: card}, Dial: kept}, nil
	}
	m.Dial = append(m.Dial, kept...)
	return m, nil
}

// ask has a server ask a peer to meet, within half the time if there is another way.
func (g guide) ask(ctx context.Context, peer uuid.UUID, hasty bool) (*client.Meeting, error) {
	by := g.stays.all().tells(peer)
	if by == nil {
		return nil, client.ErrAway
	}
	if hasty {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, machine.DefaultAnswer/2)
		defer cancel()
	}
	return by.Introduce(ctx, peer)
}

// Circuit asks one server after the other for a circuit, those first that are there and lend
// some. If none does, the error is of one that may do so later, if there is any.
func (g guide) Circuit(ctx context.Context, peer uuid.UUID, passed, ahead []byte) (*client.Circuit, error) {
	why := error(nil)
	for _, by := range g.stays.all().tellers(peer) {
		c, err := by.Circuit(ctx, peer, passed, ahead)
		if err == nil {
			return c, nil
		}
		if why == nil || client.Away(err) && !client.Away(why) {
			why = err
		}
	}
	return nil, cmp.Or(why, client.ErrAway)
}
