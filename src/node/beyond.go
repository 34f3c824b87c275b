package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	serving "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/dial"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/ladder"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/client"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/site"
	"github.com/sjohnr/at-once/src/wan"
	"github.com/sjohnr/at-once/src/zmtp"
	"github.com/sjohnr/at-once/src/zre"
)

// beyond takes what comes from beyond the LAN to the loop.
type beyond struct{ *loop }

// stays returns the servers that the node stays with: those that it was given, else those that
// its identity's invite has brought.
func (s *base) stays() (list []rendezvous.Address, err error) {
	who := s.guard.Identity
	switch {
	case len(s.rendezvous) > 0 && who == nil:
		return nil, api.ErrNoIdentity
	case len(s.rendezvous) > 0 || who == nil || s.homebound:
		return s.rendezvous, nil
	}
	texts, err := who.Servers()
	for _, text := range texts {
		address, fault := rendezvous.ParseAddress(text)
		list, err = append(list, address), errors.Join(err, fault)
	}
	return list, err
}

// access returns the node's access to what lies beyond its LAN, nil if it stays with no server.
func (s *base) access(at *site.Site) (*wan.Access, error) {
	list, err := s.stays()
	if err != nil || len(list) == 0 {
		return nil, err
	}
	who := s.guard.Identity
	c := wan.Config{
		Servers: list, Identity: who, Members: s.guard.Level.Trust == api.NodeTrustMembers,
		Transport: s.world.Transport, Listen: at.Anyport(), Here: at.Here(),
		Strangers: s.guard.Throttle.Strangers(), Linger: s.Linger, Random: s.world.Random, Log: s.settings.log, Count: s.count,
	}
	if dir := who.Directory(); dir != "" {
		pins, err := client.OpenPins(filepath.Join(dir, pinFile))
		if err != nil {
			return nil, err
		}
		c.Pins = pins
	}
	return wan.Listen(s.ctx, c)
}

// pinFile is where a node with a directory keeps what it knows of servers.
const pinFile = "server-pins"

// run has the node known to its servers, until it stops.
func (l beyond) run() {
	l.wan.Run(l.ctx, wan.Node{Sighted: l.sighted, Twin: l.twin, Refused: l.refused, Told: l.told, Open: l.open, Take: l.take, Made: l.made})
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
func (l beyond) sighted(peers []uuid.UUID) {
	l.do(func() {
		for _, id := range peers {
			l.sight(id)
		}
		for id := range l.wanted {
			l.sight(id)
		}
	})
}

// sight tells the core of a peer that is met by servers, unless it is present, or is not to
// be called.
func (l beyond) sight(id uuid.UUID) {
	at := sight.Met(id)
	if alone, _ := l.guard.Shuns.Of(id, at); !alone && l.find(id) == nil {
		l.step(zre.Sighted{Peer: id, Endpoint: at})
	}
}

// meet returns a peer that is present, or that servers tell of and is present within the
// greeting time-out.
func (n *Node) meet(ctx context.Context, peer uuid.UUID) (*channel.Channel, error) {
	if c := n.table.find(peer); c != nil {
		return c, nil
	}
	var w *want
	err := n.while(func(l *loop) {
		if w = l.wanted[peer]; w == nil && l.find(peer) == nil && l.wan.Knows(peer) {
			w = &want{met: make(chan struct{})}
			l.wanted[peer] = w
			beyond{l}.sight(peer)
		}
		if w != nil {
			w.calls++
		}
	})
	switch {
	case err != nil:
		return nil, err
	case w != nil:
		patience := time.NewTimer(n.Greeting)
		defer patience.Stop()
		select {
		case <-w.met:
		case <-n.done:
		case <-patience.C:
			err = fmt.Errorf("%w: a server tells of it, but it is not reached", api.ErrNoPeer)
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		_ = n.while(func(l *loop) { // nobody waits when it has stopped
			if w.calls--; w.calls == 0 && l.wanted[peer] == w {
				delete(l.wanted, peer)
			}
		})
	}
	if c := n.table.find(peer); c != nil {
		return c, nil
	}
	return nil, cmp.Or(n.other(peer), err, n.absent())
}

// want is a peer that is to be met though no group is shared with it. It is the loop's.
type want struct {
	met   chan struct{} // closed when it is present
	calls int           // that wait
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
func (l beyond) open(ctx context.Context, conn net.Conn, to *identity.Card) (*link.Link, error) {
	config := l.linkConfig(zmtp.Dealer)
	var err error
	if config.Curve, err = l.guard.CurveBeyond(to, l.refuseFrom); err != nil {
		return nil, err
	}
	l.guard.Freshen()
	config.Properties = l.guard.Introduction(true)
	k, err := link.Open(ctx, conn, config)
	if err != nil {
		return nil, err
	}
	if there, err := guard.PeerOf(k.RemoteIdentity()); err != nil || there != to.ID || !guard.Shows(k) {
		_ = k.Close()
		return nil, dial.ErrSomebodyElse
	}
	return k, nil
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
	l.work.Go(func() { r.receive(conn) })
}

// arrived tells whether a link that has come from beyond the LAN is of use.
func (r *receiver) arrived() bool {
	if !r.both {
		r.count("connections from beyond the LAN that are not of @Once")
		return false
	}
	return r.loop.wan.Arrived(ladder.Path{Peer: r.peer, Rung: r.rung, Link: r.link})
}

// made serves a link that was made while nobody waits for it.
func (l beyond) made(path ladder.Path) {
	l.work.Go(func() {
		c := &caller{loop: l.loop, to: path.Peer}
		nonces, incarnation, name := guard.NoncesOf(path.Link)
		c.lane(path.Link, sight.Met(path.Peer), nonces, incarnation, name)
	})
}

// reach makes a link to a peer that is met through servers.
func (c *caller) reach(ctx context.Context) (*link.Link, error) {
	if c.wan == nil {
		return nil, wan.ErrUnknown
	}
	k, err := c.wan.Reach(ctx, c.to)
	if err == nil {
		c.wan.Lost(c.met.Swap(k)) // another link was faster than that
	}
	return k, err
}

// way returns what the application is told of the way that the link leads over.
func (r *inbound) way() api.PeerWay {
	switch r.rank() {
	case ladder.LAN:
		return api.PeerWayLan
	case ladder.Relayed:
		return api.PeerWayRelayed
	}
	return api.PeerWayDirect
}

// rank is the higher the better the way is that the link leads over.
func (r *inbound) rank() ladder.Rung {
	if r.beyond {
		return r.rung
	}
	return ladder.LAN
}

// key returns the key that the far side of a link has proved, nil for none. Beyond the LAN
// it is one of the link alone, and content is sealed in that: so all have it there, whatever
// their LANs have.
func (r *inbound) key() *[32]byte {
	if r.beyond {
		return nil
	}
	return linkKey(r.link)
}

// describe tells the servers what there is to say of the node now.
func (l *loop) describe() {
	if l.wan != nil {
		l.wan.Describe(wan.Description{Name: l.guard.Name(), Headers: maps.Clone(l.headers), Groups: l.core.OwnGroups()})
	}
}
