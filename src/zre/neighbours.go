package zre

import (
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/peermachine"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/sight"
)

// MaxPeers is how many peers are known at a time, half of them by sighting, so that a
// hostile network costs bounded memory. What comes later is dropped and counted.
const MaxPeers = 16384

// neighbours are the peers that the node knows, and those that it wants to know.
type neighbours struct {
	*stage
	room
	places
	elections *elections
	peers     map[uuid.UUID]*peer
	required  map[uuid.UUID]sight.Endpoint
	missing   timer // when required peers that there was no room for are tried again
}

// sorted returns the peers in the order of their ids, so that the same inputs
// give the same outputs.
func (n *neighbours) sorted() []*peer { return slices.SortedFunc(maps.Values(n.peers), byID) }

// line returns our connection to a peer, nil if the peer is not known.
func (n *neighbours) line(id uuid.UUID) *line {
	if p := n.peers[id]; p != nil {
		return &p.line
	}
	return nil
}

// members returns our connections to the members of a group, in the order of their ids.
func (n *neighbours) members(group string) []*line {
	var members []*line
	for _, p := range n.sorted() {
		if p.in(group) {
			members = append(members, &p.line)
		}
	}
	return members
}

// with acts on a peer that is known.
func (n *neighbours) with(id uuid.UUID, do func(*peer)) {
	if p := n.peers[id]; p != nil {
		do(p)
	}
}

// sighted begins or refreshes what is known of a peer.
func (n *neighbours) sighted(id uuid.UUID, endpoint sight.Endpoint) {
	switch p := n.peers[id]; {
	case p != nil:
		p.sighted(endpoint)
	case len(n.peers) < MaxPeers/2:
		n.meet(id, endpoint)
	default:
		n.count("sightings over the limit")
	}
}

// require begins what is to be with a peer that the application wants to stay with.
func (n *neighbours) require(id uuid.UUID, endpoint sight.Endpoint) {
	n.required[id] = endpoint
	n.with(id, func(p *peer) { p.required = true })
	if n.sighted(id, endpoint); n.peers[id] == nil {
		n.miss()
	}
}

// miss tries those required peers again for which there was no room.
func (n *neighbours) miss() {
	n.timers.set(&n.missing, time.Time{})
	for id, endpoint := range n.required {
		if n.peers[id] == nil && id != n.config.ID && len(n.peers) >= MaxPeers/2 {
			n.timers.set(&n.missing, n.now.Add(requireAgain))
		} else if n.peers[id] == nil {
			n.meet(id, endpoint)
		}
	}
}

// meet begins the life of a peer. It returns nil if it is ourselves or if too
// many are known already.
func (n *neighbours) meet(id uuid.UUID, endpoint sight.Endpoint) *peer {
	if id == n.config.ID || id == uuid.Nil {
		return nil
	}
	if len(n.peers) >= MaxPeers {
		n.count("peers over the limit")
		return nil
	}
	_, required := n.required[id]
	p := &peer{contact: contact{Peer: Peer{id: id}, stage: n.stage, elections: n.elections, required: required}, peers: n.peers}
	p.member.of, p.member.share.of = &p.Peer, &n.room
	p.place = place{places: &n.places, id: id}
	p.line.stage, p.line.to = n.stage, &p.Peer
	p.pulse.since, p.pulse.sightedAt = n.now, n.now
	p.pulse.timer.due = func() { n.due(p) }
	n.peers[id] = p
	p.place.try(endpoint)
	p.Dial()
	p.schedule()
	return p
}

// due does what the timer of a peer was set for. One that is gone and required is met
// again.
func (n *neighbours) due(p *peer) {
	if !p.state.Final() {
		p.due()
		return
	}
	n.timers.set(&p.pulse.timer, time.Time{})
	if n.peers[p.id] == nil {
		n.meet(p.id, n.required[p.id])
	}
}

// heard takes in a message of a peer.
func (n *neighbours) heard(in Heard) {
	if hello, ok := in.Message.(*zremsg.Hello); ok {
		n.greeted(in, hello)
	} else if p := n.peers[in.Peer]; p != nil && p.voice.link == in.Link {
		p.says(in.Message)
	} else {
		n.count("words of strangers")
	}
}

// greeted takes in a peer's HELLO. The incarnation tells a restarted peer from
// one that greets twice, and both from a late word of a life that has ended.
// A peer without one has started anew if it greets from another endpoint.
func (n *neighbours) greeted(in Heard, hello *zremsg.Hello) {
	id, link := in.Peer, in.Link
	reject := func(why string) {
		n.count(why)
		n.emit(Reject{link})
	}
	endpoint, err := sight.Parse(hello.Endpoint)
	if err != nil || !endpoint.Dialable() {
		reject("greetings without an endpoint")
		return
	}
	p, has := n.peers[id], &share{of: &n.room}
	if p != nil {
		has = &p.member.share
	}
	if !has.fits(weigh(hello)) {
		reject("greetings over the limit of all")
		return
	}
	own, headers := splitHeaders(hello.Headers)
	if p == nil {
		p = n.meet(id, endpoint)
	} else if known := p.incarnation; own.incarnation < known || own.incarnation == known && in.Badge.repeats(p.badge) {
		reject("stale greetings")
		return
	} else if p.voice.succeeds(link, n.stage) {
		return
	} else if p.voice.heir = 0; p.present() && (own.incarnation > known || known == 0 && endpoint != p.endpoint) {
		p.fire(peermachine.EventReplaced)
		p = n.meet(id, endpoint)
	}
	if p == nil {
		n.emit(Reject{link})
		return
	}
	if p.badge = in.Badge; p.badge == nil {
		p.badge = new(Badge)
	}
	p.greeted(link, endpoint, hello, own, headers)
}
