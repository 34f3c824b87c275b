package node

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/handshakemachine"
	"github.com/sjohnr/at-once/generated/go/peermachine"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/zmtp"
	"github.com/sjohnr/at-once/src/zre"
)

// maxDials is how many attempts may be under way at a time to connect to peers
// that are no more than sighted: anybody can send sightings of nobody.
const maxDials = 64

// controlReserve is how many octets of control messages may wait for a peer
// whose queue is full of content: some greetings, however large.
const controlReserve = 3 * zremsg.MaxHello

// A far side that has ended so many connections at once that the next has to wait for
// this long does not let us in.
const turnedAway = time.Second

var errTurnedAway = errors.New("it ends each connection after our greeting, and does not say why: it may not trust this node, or talk with another that has this node's identity")

// caller makes one connection to a peer: it tries the peer's endpoints in turn
// until one accepts, and then keeps an eye on the connection until it ends.
type caller struct {
	node      *Node
	peer      uuid.UUID // the loop's once the connection stands
	endpoints atomic.Pointer[[]sight.Endpoint]
	urgent    chan struct{} // closed by the loop when the peer is more than sighted
	hurried   bool          // the loop's: that is so
	wait      time.Duration // before the first attempt
	cancel    context.CancelFunc
	at        string         // the line that the connection has
	endpoint  sight.Endpoint // where it leads
	out       *outbound      // the loop's; nil until it stands
	id        zre.LinkID     // the loop's likewise: its number
	since     time.Time      // the loop's: when it stood
	welcome   bool           // the loop's: the peer has greeted us meanwhile
}

// call begins to connect to a peer, or tells who already tries of more
// endpoints.
func (n *Node) call(peer uuid.UUID, endpoints []sight.Endpoint, urgent bool) {
	last := n.loop.calls[peer]
	if last != nil && last.out == nil {
		last.endpoints.Store(&endpoints)
		last.hurry(urgent)
		return
	}
	c := &caller{node: n, peer: peer, urgent: make(chan struct{})}
	c.hurry(urgent)
	if last != nil { // the connection that stood was lost
		if c.wait = last.again(); c.wait >= turnedAway {
			n.refuse(&n.guard.Sightings, peer, "", endpoints[0], errTurnedAway)
		}
	}
	c.endpoints.Store(&endpoints)
	var ctx context.Context
	ctx, c.cancel = context.WithCancel(n.ctx)
	n.loop.calls[peer] = c
	n.work.Go(func() { c.run(ctx) })
}

// again returns how long to wait before the next connection to a peer whose last one
// is lost. Where they never stand for long, as where the far side does not take our
// greeting, the wait gets longer each time. It stays below the greeting time-out, so
// that a peer that greets us meanwhile is answered in time, and while the peer is
// present as short as where nothing can be reached.
func (c *caller) again() time.Duration {
	most := min(c.node.settings.greeting, peermachine.DefaultGreeting) / 2
	switch {
	case c.welcome || time.Since(c.since) >= most:
		return link.FirstWait
	case c.node.table.find(c.peer) != nil:
		return link.Longer(c.wait)
	}
	return min(max(2*c.wait, link.FirstWait), most)
}

func (c *caller) hurry(urgent bool) {
	if urgent && !c.hurried {
		c.hurried = true
		close(c.urgent)
	}
}

// withdraw ends the connection to a peer, or the attempt to make one, for the core. What
// one that is not present was to answer is forgotten.
func (n *Node) withdraw(peer uuid.UUID) {
	n.hangUp(peer)
	if n.table.find(peer) == nil {
		delete(n.loop.challenges, peer)
	}
}

// hangUp ends the connection to a peer, or the attempt to make one.
func (n *Node) hangUp(peer uuid.UUID) {
	c := n.loop.calls[peer]
	if c == nil {
		return
	}
	delete(n.loop.calls, peer)
	delete(n.loop.outbound, c.id)
	if c.out == nil {
		c.cancel()
		return
	}
	n.closeSoon(c.out.Link)
}

// closeSoon closes a link when what is queued on it has gone out, at the latest
// after the linger time.
func (n *Node) closeSoon(l *link.Link) {
	n.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), n.settings.linger)
		defer cancel()
		err := l.Shutdown(ctx)
		if err != nil {
			n.settings.log.Debug("connection closed before all was taken", "address", l.RemoteAddr(), "error", err)
		}
		n.do(func() { n.parted(l, err) })
	})
}

func (c *caller) run(ctx context.Context) {
	l := c.connect(ctx)
	c.cancel() // a connection that stands needs no context
	if l == nil {
		return
	}
	c.node.do(func() { c.linked(l) })
	c.ended(l, l.Serve(c.deliver))
	c.node.lines.leave(c.at)
}

// deliver drops what comes against the stream: peers talk over their own connections.
func (c *caller) deliver(b *link.Batch) error {
	b.Release()
	c.node.count("messages against the stream")
	return nil
}

func (c *caller) ended(l *link.Link, err error) {
	_ = l.Close()
	n := c.node
	if errors.Is(err, zmtp.ErrTooLarge) {
		n.count("messages against the stream")
	}
	n.do(func() {
		n.log(c.peer).Debug("connection ended", "address", l.RemoteAddr(), "error", err)
		if n.loop.calls[c.peer] == c {
			delete(n.loop.outbound, c.id)
			n.lost(c.peer, c.out, "")
			n.step(zre.Unlinked{Peer: c.peer, Link: c.id})
		}
	})
}

// linked tells the core, unless it has given the peer up meanwhile.
func (c *caller) linked(l *link.Link) {
	n := c.node
	if n.loop.calls[c.peer] != c {
		n.closeSoon(l)
		return
	}
	nonces, incarnation := guard.NoncesOf(l)
	c.out, c.since = &outbound{Link: l, nonces: nonces, replaced: make(chan struct{})}, time.Now()
	n.loop.links++
	c.id = n.loop.links
	n.loop.outbound[c.id] = c
	n.step(zre.Linked{
		Peer: c.peer, Link: c.id, Endpoint: c.endpoint, Callback: n.callback(l.LocalAddr()), Shown: shows(l), Incarnation: incarnation,
	})
}

// adopt takes a connection that was made to one peer for one to another.
func (n *Node) adopt(id zre.LinkID, to uuid.UUID) {
	c := n.loop.outbound[id]
	if c == nil {
		return
	}
	delete(n.loop.calls, c.peer)
	n.hangUp(to)
	n.loop.calls[to], c.peer = c, to
}

// connect tries the endpoints until one accepts or ctx ends.
func (c *caller) connect(ctx context.Context) *link.Link {
	for wait := c.wait; ; wait = link.Longer(wait) {
		if !link.Pause(ctx, wait) {
			return nil
		}
		l, refused := c.attempt(ctx)
		if l != nil {
			return l
		}
		if refused {
			c.node.do(func() {
				if c.node.loop.calls[c.peer] == c {
					c.node.step(zre.Refused{Peer: c.peer})
				}
			})
		}
	}
}

// stagger is how long an attempt has before the next endpoint is tried beside it.
const stagger = 250 * time.Millisecond

// attempt tries each endpoint once, those that become known meanwhile as well,
// and takes the first that accepts. It tells whether all have refused. Peers that
// are only sighted wait until it is their turn.
func (c *caller) attempt(ctx context.Context) (won *link.Link, refused bool) {
	select {
	case <-c.urgent:
	case c.node.dials <- struct{}{}:
		defer func() { <-c.node.dials }()
	case <-ctx.Done():
		return nil, false
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan dialled)
	tried, pending, refusals := map[sight.Endpoint]bool{}, 0, 0
	begin := func() {
		for _, endpoint := range *c.endpoints.Load() {
			if won == nil && !tried[endpoint] {
				tried[endpoint] = true
				pending++
				c.node.work.Go(func() { results <- c.open(ctx, endpoint) })
				return
			}
		}
	}
	next := time.NewTicker(stagger)
	defer next.Stop()
	for begin(); pending > 0; {
		select {
		case <-next.C:
			begin()
		case r := <-results:
			pending--
			switch {
			case r.err == nil && won == nil:
				won, c.at, c.endpoint = r.link, r.line, r.endpoint
				cancel()
			case r.err == nil:
				_ = r.link.Close()
				c.node.lines.leave(r.line)
			default:
				c.node.log(c.peer).Debug("cannot connect", "endpoint", r.endpoint, "error", r.err)
				if errors.Is(r.err, syscall.ECONNREFUSED) || errors.Is(r.err, errSomebodyElse) {
					refusals++
				}
				begin()
			}
		}
	}
	return won, refusals == len(tried)
}

// dialled is what became of an endpoint.
type dialled struct {
	endpoint sight.Endpoint
	line     string
	link     *link.Link
	err      error
}

func (c *caller) open(ctx context.Context, endpoint sight.Endpoint) dialled {
	at := endpoint.Address
	if err := c.node.lines.enter(ctx, at); err != nil {
		return dialled{endpoint: endpoint, err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, link.DialTime)
	defer cancel()
	l, err := c.dial(ctx, endpoint)
	if err != nil {
		c.node.lines.leave(at)
	}
	return dialled{endpoint, at, l, err}
}

// dial connects to an endpoint and makes sure that it is the peer's.
func (c *caller) dial(ctx context.Context, endpoint sight.Endpoint) (*link.Link, error) {
	n := c.node
	config := n.linkConfig(zmtp.Dealer)
	config.Refused = c.refused
	var err error
	if config.Curve, err = n.guard.CurveTo(c.peer, endpoint.KeyOf(), n.refuseFrom); err != nil {
		return nil, err
	}
	if !identity.Owned(c.peer) { // libzmq then does not keep a connection that only we know to be lost
		config.Heartbeat = n.settings.silent
	}
	if !n.guard.Secure || identity.Owned(c.peer) {
		n.guard.Freshen()
		config.Properties = n.guard.Properties()
	}
	conn, err := link.Connect(ctx, n.transport, endpoint.Bare())
	if err != nil {
		return nil, err
	}
	l, err := link.Open(ctx, conn, config)
	if why := guard.Reason(err); why != nil {
		n.refuse(&n.guard.Sightings, c.peer, "", endpoint, why)
		if !errors.Is(why, zmtp.ErrMechanism) {
			n.do(c.turnedAway)
		}
	}
	if err == nil {
		err = c.meant(l)
	}
	return l, err
}

// turnedAway ends what there is with a peer that is present and did not let us in again.
// Anybody may have said so in a handshake: it does not count while the peer speaks to us.
func (c *caller) turnedAway() {
	n := c.node
	if n.loop.calls[c.peer] == c && n.loop.speaks[c.peer] == nil && n.table.find(c.peer) != nil {
		n.step(zre.TurnedAway{Peer: c.peer})
	}
}

// errSomebodyElse says that the peer is not where it was said to be.
var errSomebodyElse = errors.New("another node is there")

// meant makes sure that a connection leads to the peer, as far as the far side shows
// who it is: nodes of RFC 36 do not.
func (c *caller) meant(l *link.Link) error {
	there, err := guard.PeerOf(l.RemoteIdentity())
	if err != nil && !identity.Owned(c.peer) || linkKey(l) != nil || there == c.peer {
		return nil
	}
	return errors.Join(errSomebodyElse, l.Close())
}

// shows tells whether the far side of a connection has shown who it is.
func shows(l *link.Link) bool {
	_, err := guard.PeerOf(l.RemoteIdentity())
	return err == nil || linkKey(l) != nil
}

// linkConfig returns the settings of a link. Its identity is what RFC 36 asks
// for: the octet 1 and the node's UUID. We show it to those who call us too. What the
// far side says may be as large as a greeting, and no larger while the node has not
// accepted one: on the connections that we make, never.
func (n *Node) linkConfig(kind string) link.Config {
	return link.Config{
		Type:       kind,
		Identity:   guard.IdentityOf(n.guard.ID),
		MaxMessage: max(n.settings.maxMessage, zremsg.MaxHello),
		MaxFrames:  maxFrames,
		Greeting:   zremsg.MaxHello,
		Outbox:     n.settings.outbox,
		Reserve:    controlReserve,
		Handshake:  min(n.settings.greeting, handshakemachine.DefaultHandshake),
	}
}

// callback returns where a peer can reach us that we reach from an address. A
// zone, which means something to this host only, stays here (RFC 4007, 11.2).
func (n *Node) callback(local net.Addr) sight.Endpoint {
	if n.settings.advertised != (sight.Endpoint{}) {
		return n.settings.advertised
	}
	host, _, _ := strings.Cut(hostOf(local), "%")
	return sight.At(host, n.port)
}
