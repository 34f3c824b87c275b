package node

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	serving "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/dial"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/ladder"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/client"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/wan"
	"github.com/sjohnr/at-once/src/zmtp"
	"github.com/sjohnr/at-once/src/zre"
)

// beyond takes what comes from beyond the LAN to the loop.
type beyond struct{ *loop }

// run has the node known to its servers, until it stops.
func (l beyond) run() {
	l.wan.Run(l.ctx, wan.Node{Sighted: l.sighted, Ahead: acceptor(l).ahead, Twin: l.twin, Refused: l.refused, Told: l.told, Open: l.open, Take: l.take, Made: l.made})
}

// twin is told of another node with this node's identity.
func (l beyond) twin(at sight.Endpoint) {
	lookout(l).sighted([]sight.Sighting{{ID: l.guard.ID, Endpoint: at}})
}

// refused is told of a server that does not let the node in. Of a membership that was revoked
// the application is told as it is where members say so.
func (l beyond) refused(server uuid.UUID, at rendezvous.Address, why *client.RefusedError) {
	if why.Reason != serving.ReasonRevoked {
		return
	}
	endpoint, _ := sight.Parse("tcp://" + at.Hosts[0]) // which can be dialled
	_, revoked := guard.Said(api.EventRefusalRevoked.String())
	l.refuse(&l.guard.Meetings, server, at.Hosts[0], endpoint, revoked)
}

// told is told of how things stand with all servers.
func (l beyond) told(text string, bad bool) {
	if bad {
		l.warn(text)
		return
	}
	l.notice(text)
}

// sighted is told of those who are in a group of ours. It counts as a sighting of them,
// unless they are present.
func (l beyond) sighted(peers []uuid.UUID) (present []uuid.UUID) {
	l.do(func() {
		for _, id := range peers {
			l.sight(id)
		}
		for id := range l.wanted {
			l.sight(id)
		}
		for _, c := range l.all() {
			present = append(present, c.Peer().UUID())
		}
	})
	return present
}

// sight tells the core of a peer that is met by servers, unless it is present, or is not to
// be called.
func (l beyond) sight(id uuid.UUID) {
	at := sight.Met(id)
	if alone, _ := l.guard.Shuns.Of(id, at); !alone && l.find(id) == nil {
		l.step(zre.Sighted{Peer: id, Endpoint: at})
	}
}

// Beyond returns how the node is reached beyond its LAN, as the class model has it.
func (n *Node) Beyond() map[string]string {
	if n.running() == nil && n.ears != nil && n.ears.wan != nil {
		return n.ears.wan.Facts()
	}
	return map[string]string{}
}

// Tried returns what was tried of late to reach a peer beyond the LAN, the latest last, a line
// each.
func (n *Node) Tried(peer uuid.UUID) (lines []string) {
	if n.running() != nil || n.ears == nil || n.ears.wan == nil {
		return nil
	}
	for _, t := range n.ears.wan.Tried(peer) {
		line := strings.TrimSpace(fmt.Sprintf("%v %s", t.Rung, t.Endpoint))
		if t.Met {
			line = "introduction"
		}
		switch took := t.Took.Round(time.Millisecond); {
		case t.Theirs:
			line += ": the peer has made a link from there"
		case t.Err == nil:
			line += fmt.Sprintf(": stands after %v", took)
		default:
			line += fmt.Sprintf(": %v, after %v", t.Err, took)
		}
		lines = append(lines, line)
	}
	return lines
}

// Known returns the names of those whom servers tell of and who are not present, by id.
func (n *Node) Known() map[string]string {
	list := map[string]string{}
	if n.running() == nil && n.ears != nil && n.ears.wan != nil {
		for _, p := range n.ears.wan.Known() {
			if n.table.find(p.ID) == nil {
				list[p.ID.String()] = p.Name()
			}
		}
	}
	return list
}

// open makes a connection that was dialled a link with who has a card.
func (l beyond) open(ctx context.Context, conn net.Conn, to *identity.Card, tie bool) (*link.Link, error) {
	config := l.linkConfig(zmtp.Dealer)
	var k *link.Link
	config.Refused = func(reason string) { l.refusedOver(k, reason) }
	var err error
	if config.Curve, err = l.guard.CurveBeyond(to, tie, l.refuseFrom); err != nil {
		return nil, err
	}
	l.guard.Freshen()
	config.Properties = l.guard.Introduction(true)
	if k, err = link.Open(ctx, conn, config); err != nil {
		return nil, err
	}
	if there, err := guard.PeerOf(k.RemoteIdentity()); err != nil || there != to.ID || !guard.Shows(k) {
		_ = k.Close()
		return nil, dial.ErrSomebodyElse
	}
	return k, nil
}

// refusedOver is called with what a peer says over a link that was made to it beyond the LAN, if it
// does not let us in, or drops what we say.
func (l beyond) refusedOver(k *link.Link, reason string) {
	var over *receiver
	l.do(func() {
		for _, r := range l.theirs {
			if r.link == k {
				over = r
			}
		}
	})
	if over != nil {
		over.refused(reason)
	}
}

// take takes a connection that has come on a rung, and whose cost is counted under an address.
func (l beyond) take(conn net.Conn, from net.Addr, rung ladder.Rung, over func()) {
	visit, ok := l.guard.Throttle.Admit(from, time.Now())
	if !ok {
		l.count("connections over the limit of their address")
		_ = conn.Close()
		over()
		return
	}
	r := newReceiver(l.loop)
	r.visit, r.known, r.beyond, r.rung = visit, over, true, rung
	l.work.Go(func() { acceptor(l).receive(r, conn) })
}

// made serves a link that was made while nobody waits for it.
func (l beyond) made(path ladder.Path) {
	l.work.Go(func() {
		c := &caller{loop: l.loop, to: path.Peer}
		nonces, incarnation, name := guard.NoncesOf(path.Link)
		c.lane(path.Link, sight.Met(path.Peer), nonces, incarnation, name, func() {})
	})
}
