package node

import (
	"bytes"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/dial"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/zre"
)

// peer is another node: what there is with it. All of it is the loop's, but that others
// may look for the channel in the table.
type peer struct {
	*channel.Channel               // nil unless the peer is present
	attempt          *dial.Attempt // to connect to it; nil for none
	ours             *outbound     // what our words to it go over; nil for none
	welcome          bool          // it has greeted us since we began to connect to it last
	talk             *talk         // the channel with it; nil for none
	theirs           *receiver     // of those that it speaks over, the one that counts; nil for none
	heir             zre.LinkID    // of those, the latest that may go on without a greeting
	spares           []*receiver   // links that carry no channel yet, as their RESUMEs have crossed
	challenge        []byte        // what its sessions have to answer; nil before our greeting
	holds            *holding      // of the network's roll; nil for one that has said nothing of that
}

// idle tells whether there is nothing with a peer.
func (p *peer) idle() bool {
	return p.Channel == nil && p.attempt == nil && p.ours == nil && p.talk == nil && p.theirs == nil && len(p.spares) == 0 && p.challenge == nil
}

// table holds the peers, and who of those that are present is in which group. The loop
// alone writes it, and may read it without the lock.
type table struct {
	mu     sync.RWMutex
	peers  map[uuid.UUID]*peer
	groups map[string][]*channel.Channel // each list is replaced, never changed
}

func newTable() *table {
	return &table{peers: map[uuid.UUID]*peer{}, groups: map[string][]*channel.Channel{}}
}

// find returns a peer that is present, or nil.
func (t *table) find(id uuid.UUID) *channel.Channel {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if p := t.peers[id]; p != nil {
		return p.Channel
	}
	return nil
}

// badge returns what a peer that is present has shown, else nil.
func (t *table) badge(id uuid.UUID) *zre.Badge {
	if c := t.find(id); c != nil {
		return c.Peer().Badge()
	}
	return nil
}

// members returns who is in a group. The list does not change.
func (t *table) members(group string) []*channel.Channel {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.groups[group]
}

// all returns the peers that are present.
func (t *table) all() []*channel.Channel {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var present []*channel.Channel
	for _, p := range t.peers {
		if p.Channel != nil {
			present = append(present, p.Channel)
		}
	}
	return present
}

// sorted returns snapshots of peers, in the order of their UUIDs.
func sorted(of []*channel.Channel) []*Peer {
	peers := make([]*Peer, len(of))
	for i, c := range of {
		peers[i] = c.Peer()
	}
	slices.SortFunc(peers, func(a, b *Peer) int {
		x, y := a.UUID(), b.UUID()
		return bytes.Compare(x[:], y[:])
	})
	return peers
}

// none stands for a peer that there is nothing with. Nobody writes it.
var none peer

// of returns what there is with a peer. It is the loop's.
func (t *table) of(id uuid.UUID) *peer {
	if p := t.peers[id]; p != nil {
		return p
	}
	return &none
}

// with changes what there is with a peer. It is the loop's.
func (t *table) with(id uuid.UUID, change func(*peer)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.peers[id]
	if p == nil {
		p = new(peer)
		t.peers[id] = p
	}
	if change(p); p.idle() {
		delete(t.peers, id)
	}
}

// spare notes that a link carries no channel yet. Anybody can say that it is the peer's: of more
// than maxSpares the oldest is forgotten.
func (t *table) spare(r *receiver) {
	t.with(r.peer, func(p *peer) {
		if p.spares = append(p.spares, r); len(p.spares) > maxSpares {
			p.spares = slices.Delete(p.spares, 0, 1)
		}
	})
}

// unspare notes that a link carries a channel now, or has ended.
func (t *table) unspare(r *receiver) {
	if slices.Contains(t.of(r.peer).spares, r) {
		t.with(r.peer, func(p *peer) {
			p.spares = slices.DeleteFunc(p.spares, func(other *receiver) bool { return other == r })
		})
	}
}

// enter takes in a peer that is present from now on.
func (t *table) enter(of *Peer) {
	t.with(of.UUID(), func(p *peer) { p.Channel = channel.New(of, p.challenge) })
}

// exit lets go of a peer that is no longer present.
func (t *table) exit(id uuid.UUID) {
	c := t.find(id)
	t.with(id, func(p *peer) {
		p.Channel, p.challenge, p.holds = nil, nil, nil
		for _, group := range c.Peer().Groups() {
			t.dropLocked(group, c)
		}
	})
	c.End()
}

// within returns what the greetings of a channel are proved over that it does not begin with:
// what the sessions of the two sides have to answer, in place of the nonces of a link.
func (t *table) within(id uuid.UUID, badge *zre.Badge) (on guard.Nonces) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	copy(on.Own[:], t.of(id).challenge)
	if badge != nil {
		copy(on.Far[:], badge.Challenge)
	}
	return on
}

func (t *table) join(id uuid.UUID, group string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.groups[group] = append(slices.Clip(t.groups[group]), t.peers[id].Channel)
}

func (t *table) leave(id uuid.UUID, group string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dropLocked(group, t.peers[id].Channel)
}

// dropLocked takes a peer out of a group.
func (t *table) dropLocked(group string, c *channel.Channel) {
	members := slices.DeleteFunc(slices.Clone(t.groups[group]), func(m *channel.Channel) bool { return m == c })
	if len(members) == 0 {
		delete(t.groups, group)
		return
	}
	t.groups[group] = members
}

// unmeet forgets what a peer had to answer that is not present.
func (t *table) unmeet(id uuid.UUID) {
	if p := t.of(id); p.challenge != nil && p.Channel == nil {
		t.with(id, func(p *peer) { p.challenge = nil })
	}
}

// maxSpares is how many links that carry no channel yet are kept in mind; see
// api/protocol/once_link.xml.
const maxSpares = 16
