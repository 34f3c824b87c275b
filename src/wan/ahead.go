package wan

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/client"
)

// Ahead returns what is known of a peer to whom something can be said before there is a link: a
// server that lends circuits tells of it, and of its sealing key. It is nil for others.
func (a *Access) Ahead(ctx context.Context, peer uuid.UUID) *client.Peer {
	if a == nil {
		return nil
	}
	by := a.stays.all().tells(peer)
	if by == nil || !by.State().Relays {
		return nil
	}
	who := by.Peer(peer)
	if who == nil || who.Inside == nil {
		return nil
	}
	if who.Card.Sealing.Key() == nil {
		if err := by.FetchKey(ctx, who.Card); err != nil {
			a.Log.Debug("nothing is said ahead of a link", "peer", peer, "error", err)
			return nil
		}
	}
	return who
}

// SayAhead looks for a way to a peer, for which nobody waits, and has a server bring it what was
// sealed for it by [rendezvous.SealAhead]. Links that are made go to Node.Made.
func (a *Access) SayAhead(peer uuid.UUID, sealed []byte) { a.ways.ladder.Reach(peer, a.guide, sealed) }

// lent takes a circuit that somebody has asked for, and what that has sent ahead.
func (a *Access) lent(c *client.Circuit) {
	if len(c.Ahead) > 0 {
		a.node.Ahead(addressOf(c.Peer), c.Peer, func() (*rendezvous.Ahead, error) { return a.OpenAhead(c.Peer, c.Ahead) })
	}
	a.ways.ladder.Lent(c)
}

// OpenAhead opens what a peer has sent ahead in answer to any of the node's records: there may be
// several ways to one server.
func (a *Access) OpenAhead(from uuid.UUID, octets []byte) (said *rendezvous.Ahead, err error) {
	for _, by := range a.stays.all() {
		if said, err = by.OpenAhead(from, octets); err == nil || errors.Is(err, client.ErrRepeated) {
			break
		}
	}
	return said, err
}

// Began notes that a peer has begun a channel of a number over a link: what it has sent ahead in
// that, or before, comes too late from then on.
func (a *Access) Began(peer uuid.UUID, channel uint64) {
	if a != nil {
		a.stays.all().each(func(c *client.Client) { c.Began(peer, channel) })
	}
}

// Challenges returns what sessions may answer that others open to the node before they know
// what it wants answered in a channel.
func (a *Access) Challenges() (list [][]byte) {
	if a == nil {
		return nil
	}
	for _, c := range a.stays.all() {
		list = append(list, c.Challenges()...)
	}
	return list
}
