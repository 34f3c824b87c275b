package zre

import (
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/sight"
)

// zyre does what Zyre 2.0 does on a host, as far as its peers can tell: it
// greets whom it sights, takes a second HELLO for a new peer which it greets
// anew over a new connection, does the same when a sequence number is not the
// next, and has its messages queued by libzmq, which connects again by itself
// and does not greet. It knows no incarnations. Elections it ignores, as gyre
// and pyre do, unless it has a wave.
type zyre struct {
	h      *host
	status uint8
	peers  map[uuid.UUID]*zyrePeer
	wave   *wave
}

type zyrePeer struct {
	endpoint sight.Endpoint
	ready    bool
	groups   map[string]bool
	queue    []zremsg.Message // until the connection stands
	sequence uint16           // of the latest message queued, over all connections
	heard    time.Time
}

func newZyre(h *host) *zyre {
	z := &zyre{h: h, status: uint8(len(h.own)), peers: map[uuid.UUID]*zyrePeer{}}
	z.reap()
	return z
}

func (z *zyre) knows(id uuid.UUID) ([]string, bool) {
	p := z.peers[id]
	if p == nil || !p.ready {
		return nil, false
	}
	return slices.Sorted(maps.Keys(p.groups)), true
}

// reap asks peers that are quiet for a sign of life, and forgets those that have
// been so for long, once a second.
func (z *zyre) reap() {
	if z.h.zyre != z && z.h.zyre != nil || !z.h.world.now.IsZero() && z.h.calls == nil {
		return
	}
	for _, id := range sortedIDs(z.peers) {
		switch p := z.peers[id]; {
		case z.h.now().Sub(p.heard) >= expired:
			z.remove(id)
		case z.h.now().Sub(p.heard) >= evasive:
			z.send(id, &zremsg.Ping{})
		}
	}
	z.h.world.after(time.Second, z.reap)
}

func sortedIDs[V any](m map[uuid.UUID]V) []uuid.UUID {
	return slices.SortedFunc(maps.Keys(m), func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
}

func (z *zyre) step(in Input) {
	switch in := in.(type) {
	case Sighted:
		z.require(in.Peer, in.Endpoint)
	case Vanished:
		z.remove(in.Peer)
	case Linked:
		if p := z.peers[in.Peer]; p != nil {
			for _, m := range p.queue {
				z.put(in.Peer, p, m)
			}
			p.queue = nil
		}
	case Unlinked:
		if p := z.peers[in.Peer]; p != nil {
			z.h.dial(in.Peer, []sight.Endpoint{p.endpoint})
		}
	case OutOfStep:
		z.remove(in.Peer)
	case Heard:
		z.hear(in)
	}
}

// require finds a peer or makes it known. Another at the same endpoint is left alone
// from then on.
func (z *zyre) require(id uuid.UUID, endpoint sight.Endpoint) *zyrePeer {
	p := z.peers[id]
	if p == nil {
		for _, other := range sortedIDs(z.peers) {
			if z.peers[other].endpoint == endpoint {
				z.h.hangUp(other)
			}
		}
		p = &zyrePeer{endpoint: endpoint, groups: map[string]bool{}, heard: z.h.now()}
		z.peers[id] = p
		z.h.dial(id, []sight.Endpoint{endpoint})
		z.send(id, &zremsg.Hello{
			Endpoint: z.h.endpoint().String(), Groups: slices.Sorted(maps.Keys(z.h.own)), Status: z.status, Name: "plain",
		})
	}
	return p
}

func (z *zyre) knowsNot(id uuid.UUID) bool { return z.peers[id] == nil || !z.peers[id].ready }

func (z *zyre) remove(id uuid.UUID) {
	if z.peers[id] != nil {
		delete(z.peers, id)
		z.h.hangUp(id)
	}
}

func (z *zyre) hear(in Heard) {
	p := z.peers[in.Peer]
	if c := z.h.in[in.Link]; c != nil {
		c.admitted = true
	}
	hello, greets := in.Message.(*zremsg.Hello)
	if greets {
		if p != nil && p.ready {
			z.remove(in.Peer)
		}
		endpoint, _ := sight.Parse(hello.Endpoint)
		p = z.require(in.Peer, endpoint)
		p.ready = true
		for _, group := range hello.Groups {
			p.groups[group] = true
		}
	}
	if p == nil || !p.ready {
		return
	}
	p.heard = z.h.now()
	switch m := in.Message.(type) {
	case *zremsg.Join:
		p.groups[m.Group] = true
	case *zremsg.Leave:
		delete(p.groups, m.Group)
	case *zremsg.Ping:
		z.send(in.Peer, &zremsg.PingOK{})
	case *zremsg.Goodbye:
		z.remove(in.Peer)
	}
	if z.wave != nil {
		if err := z.wave.hear(in.Peer, in.Message); err != nil {
			z.h.world.t.Fatalf("%v", err)
		}
	}
}

func (z *zyre) change(group string, join bool) {
	z.status++
	for _, id := range sortedIDs(z.peers) {
		if join {
			z.send(id, &zremsg.Join{Group: group, Status: z.status})
		} else {
			z.send(id, &zremsg.Leave{Group: group, Status: z.status})
		}
	}
}

// send queues a message as libzmq does: what was handed to a connection that
// breaks is lost, what was not goes over the next.
func (z *zyre) send(id uuid.UUID, m zremsg.Message) {
	p := z.peers[id]
	if c := z.h.calls[id]; c != nil && c.up {
		z.put(id, p, m)
	} else if len(p.queue) < 1000 {
		p.queue = append(p.queue, m)
	}
}

// put hands a message to the connection with the sequence number that counts
// over all connections.
func (z *zyre) put(id uuid.UUID, p *zyrePeer, m zremsg.Message) {
	c := z.h.calls[id]
	c.sequence = p.sequence
	c.carry(m)
	p.sequence = c.sequence
}
