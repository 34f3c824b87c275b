package client

import (
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/src/rendezvous"
)

// What is remembered of peers at most.
const (
	maxKnown = 65536 // of what was ever told, until it expires
	maxNow   = oncemsg.MaxWatchersTag + oncemsg.MaxWatchTags
	grace    = oncemsg.MaxLease * time.Millisecond // until who is not told of any more is gone
)

// known is what is known of others, under the lock of the client.
type known struct {
	tags    string
	network rendezvous.Number
	cursor  uint64
	peers   map[uuid.UUID]*Peer
	highest map[uuid.UUID]*rendezvous.Record // of what was told ever
	anew    map[uuid.UUID]bool               // told since the server began anew; nil if it is not about to
	missing map[uuid.UUID]time.Time          // since when the server does not tell of who was there
}

func newKnown() known {
	return known{peers: map[uuid.UUID]*Peer{}, highest: map[uuid.UUID]*rendezvous.Record{}, missing: map[uuid.UUID]time.Time{}}
}

// take takes what a server tells of a node, and whether that is new. What is older than what
// was told before is a replay.
func (k *known) take(p *Peer) (fresh, replayed bool) {
	if k.anew != nil {
		k.anew[p.ID] = true
	}
	if p.gone {
		delete(k.peers, p.ID)
		delete(k.missing, p.ID)
		return false, false
	}
	old, now := k.highest[p.ID], k.peers[p.ID]
	if old != nil && old.Newer(p.Record) {
		return false, true
	}
	if now != nil && now.Record.Incarnation == p.Record.Incarnation && p.Card.NotBefore.Before(now.Card.NotBefore) {
		with := *p
		with.Card, p = now.Card, &with
	}
	if now == nil && len(k.peers) >= maxNow || old == nil && len(k.highest) >= maxKnown {
		return false, false
	}
	k.highest[p.ID], k.peers[p.ID] = p.Record, p
	delete(k.missing, p.ID)
	return now == nil || p.Record.Newer(now.Record), false
}

// since returns from which cursor on the server is to tell of who has some tags.
func (k *known) since(tags string, network rendezvous.Number) uint64 {
	if tags != k.tags || network != k.network {
		k.tags, k.network, k.cursor = tags, network, 0
	}
	return k.cursor
}

// begin notes that the server begins anew to tell of all.
func (k *known) begin() { k.anew = map[uuid.UUID]bool{} }

// reached notes up to where the server has told, and whether there is more.
func (k *known) reached(cursor uint64, more bool) {
	if k.cursor = cursor; more || k.anew == nil {
		return
	}
	for id := range k.peers {
		if !k.anew[id] && k.missing[id].IsZero() {
			k.missing[id] = time.Now()
		}
	}
	k.anew = nil
}

// forget forgets who has been missing for a lease, and what has expired.
func (k *known) forget(now time.Time) {
	for id, since := range k.missing {
		if now.Sub(since) >= grace {
			delete(k.missing, id)
			delete(k.peers, id)
		}
	}
	for id, r := range k.highest {
		if now.After(r.Expiry.Add(rendezvous.Life)) {
			delete(k.highest, id)
			delete(k.peers, id)
		}
	}
}
