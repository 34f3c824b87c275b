package node

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/dial"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/wan"
	"github.com/sjohnr/at-once/src/zmtp"
	"github.com/sjohnr/at-once/src/zre"
)

// errTurnedAway is why a peer is told of that does not let us in, as far as can be seen.
var errTurnedAway = errors.New("it ends each connection after our greeting, and does not say why: it may not trust this node, or talk with another that has this node's identity")

// A far side that has ended so many connections at once that the next has to wait for
// this long does not let us in.
const turnedAway = time.Second

// caller makes a connection to a peer, and keeps an eye on it until it ends.
type caller struct {
	*loop
	to      uuid.UUID                 // whom it is made to
	attempt *dial.Attempt             // nil once it stands
	out     *outbound                 // the loop's; nil until it stands
	over    atomic.Pointer[receiver]  // in place of that, of a link that carries both directions
	met     atomic.Pointer[link.Link] // the latest that led beyond the LAN; nil for none
}

// call begins to connect to a peer, or tells who already tries of more endpoints.
func (l *loop) call(id uuid.UUID, endpoints []sight.Endpoint, urgent bool) {
	p := l.of(id)
	if p.attempt != nil {
		p.attempt.Try(endpoints, urgent)
		return
	}
	c := &caller{loop: l, to: id, attempt: dial.NewAttempt(l.ctx, id.String())}
	c.attempt.Second = l.expects(id) && !slices.ContainsFunc(endpoints, sight.Endpoint.Met)
	c.attempt.Try(endpoints, urgent)
	if last := p.ours; last != nil { // the connection that stood was lost
		if c.attempt.Wait = l.again(p); c.attempt.Wait >= turnedAway {
			l.refuse(&l.guard.Sightings, id, "", endpoints[0], errTurnedAway)
		}
	}
	l.with(id, func(p *peer) {
		if p.attempt, p.welcome = c.attempt, false; p.talk == nil {
			p.ours = nil
		}
	})
	l.work.Go(c.run)
}

// again returns how long to wait before the next connection to a peer whose last one is
// lost. Whoever has greeted us over that time lets us in.
func (l *loop) again(p *peer) time.Duration {
	stood := time.Since(p.ours.since)
	if p.welcome {
		stood = l.settings.Greeting
	}
	return dial.Again(p.ours.waited, stood, p.Channel != nil, l.settings.Greeting)
}

// withdraw ends the attempt to connect to a peer.
func (l *loop) withdraw(id uuid.UUID) {
	p := l.of(id)
	if p.attempt != nil {
		p.attempt.Cancel()
	}
	if p.talk == nil {
		l.wan.LetGo(id)
	}
	if p != &none {
		l.with(id, func(p *peer) {
			if p.attempt = nil; p.talk == nil {
				p.ours = nil
			}
		})
	}
}

// hangUp ends a connection that we made when what is queued on it has gone out.
func (l *loop) hangUp(id zre.LinkID) {
	out := l.ours[id]
	if out == nil {
		return
	}
	if t := l.of(out.peer).talk; t != nil && t.out == out {
		t.conclude()
		return
	}
	delete(l.ours, id)
	l.talks.books.moves(out)
	l.with(out.peer, func(p *peer) { p.ours = nil })
	l.closeSoon(out.Link())
	l.unmeet(out.peer)
}

// adopt takes a connection that was made to one peer for one to another.
func (l *loop) adopt(id zre.LinkID, to uuid.UUID) {
	out := l.ours[id]
	if out == nil {
		return
	}
	l.withdraw(to)
	l.with(out.peer, func(p *peer) { p.ours = nil })
	l.with(to, func(p *peer) { p.ours = out })
	out.peer = to
}

// run makes the connection, and has it served until it ends.
func (c *caller) run() {
	k, endpoint := c.attempt.Run(c.dialer, c.open, func() {
		c.do(func() {
			if c.of(c.to).attempt == c.attempt {
				c.step(zre.Refused{Peer: c.to})
			}
		})
	})
	if met := c.met.Load(); met != k {
		c.wan.Lost(met)
	}
	if k == nil {
		return
	}
	nonces, incarnation, name := guard.NoncesOf(k)
	if nonces.Fresh() {
		c.lane(k, endpoint, nonces, incarnation, name, func() { c.dialer.Leave(endpoint) })
		return
	}
	c.do(func() { c.linked(k, endpoint, nonces, incarnation, name) })
	c.work.Add(1)
	k.ServeIdle(c.deliver, func(err error) {
		defer c.work.Done()
		_ = k.Close()
		if errors.Is(err, zmtp.ErrTooLarge) {
			c.count("messages against the stream")
		}
		c.do(func() { c.unlinked(err) })
		c.dialer.Leave(endpoint)
	})
}

// deliver drops what comes against the stream: peers talk over their own connections.
func (c *caller) deliver(b *link.Batch) error {
	b.Release()
	c.count("messages against the stream")
	return nil
}

// linked tells the core, unless it has given the peer up meanwhile.
func (c *caller) linked(k *link.Link, endpoint sight.Endpoint, nonces guard.Nonces, incarnation uint64, name string) {
	a := c.attempt
	if c.attempt = nil; c.of(c.to).attempt != a {
		c.closeSoon(k)
		return
	}
	if c.find(c.to) == nil {
		c.guard.Names.Note(c.to, name)
	}
	if t := c.of(c.to).talk; t != nil { // that it has not greeted us in
		t.conclude()
	}
	c.out = &outbound{
		Path: channel.NewPath(k, nonces, c.full), id: c.number(), peer: c.to,
		endpoint: endpoint, host: a.Host(), since: time.Now(), waited: a.Wait,
	}
	c.ours[c.out.id] = c.out
	c.with(c.to, func(p *peer) { p.attempt, p.ours = nil, c.out })
	c.step(zre.Linked{
		Peer: c.to, Link: c.out.id, Endpoint: endpoint, Callback: c.callbackAt(k.LocalAddr()),
		Shown: shows(k), Incarnation: incarnation,
	})
}

// lane has a link that carries both directions served until it ends, and then does something more.
func (c *caller) lane(k *link.Link, endpoint sight.Endpoint, nonces guard.Nonces, incarnation uint64, name string, then func()) {
	r := newReceiver(c.loop)
	r.peer, r.link, r.nonces, r.both, r.lane.endpoint = c.to, k, nonces, true, endpoint
	if r.beyond = endpoint.Met(); r.beyond {
		r.rung = c.wan.Rung(k)
	}
	k.Unwatch() // the channel is watched
	c.over.Store(r)
	var wanted bool
	c.do(func() {
		if wanted = c.attempt == nil && !c.stopping() || c.attempt != nil && c.of(c.to).attempt == c.attempt; wanted {
			c.joins(r, incarnation, name)
		}
	})
	over := func() {
		_ = k.Close()
		if r.beyond {
			c.wan.Lost(k)
		}
		then()
	}
	if wanted {
		r.serveIdle(over)
		return
	}
	k.Release() // the peer's handshake has not failed
	over()
}

// joins begins a channel over a link that we have made, or offers the peer to carry on the one that there is.
func (c *caller) joins(r *receiver, incarnation uint64, name string) {
	a := c.attempt
	host, waited := "", time.Duration(0)
	if c.attempt = nil; a != nil {
		host, waited = a.Host(), a.Wait
		c.with(c.to, func(p *peer) { p.attempt = nil })
	}
	if c.find(c.to) == nil {
		c.guard.Names.Note(c.to, name)
	}
	c.admitted(r)
	c.sayResume(r)
	if t := c.of(c.to).talk; t != nil {
		if t.lacks(r) {
			t.out.host, t.out.waited, t.out.since = host, waited, time.Now()
		}
		return
	}
	t := c.loop.beginOver(r)
	t.out.host, t.out.waited = host, waited
	c.step(zre.Linked{
		Peer: c.to, Link: r.id, Endpoint: r.lane.endpoint, Callback: c.callback(r),
		Shown: true, Incarnation: incarnation, Both: true,
	})
}

// unlinked tells the core that the connection is lost, unless it has ended it.
func (c *caller) unlinked(err error) {
	out := c.out
	if out == nil {
		return
	}
	c.log(out.peer).Debug("connection ended", "address", out.Link().RemoteAddr(), "error", err)
	if c.ours[out.id] == out {
		c.lost(out)
		delete(c.ours, out.id)
		c.step(zre.Unlinked{Peer: out.peer, Link: out.id})
	}
}

// open connects to an endpoint and makes sure that it is the peer's.
func (c *caller) open(ctx context.Context, endpoint sight.Endpoint) (k *link.Link, err error) {
	defer func() {
		if err != nil {
			c.log(c.to).Debug("cannot connect", "endpoint", endpoint, "error", err)
		}
	}()
	if endpoint.Met() {
		return c.reach(ctx)
	}
	config := c.linkConfig(zmtp.Dealer)
	config.Refused, config.Held = c.refused, true
	if config.Curve, err = c.guard.CurveTo(c.to, endpoint.KeyOf(), c.refuseFrom); err != nil {
		return nil, err
	}
	if !identity.Owned(c.to) { // libzmq then does not keep a connection that only we know to be lost
		config.Heartbeat = c.settings.Silent
	}
	if !c.guard.Secure || identity.Owned(c.to) {
		c.guard.Freshen()
		config.Properties = c.guard.Properties(false)
	}
	conn, err := link.Connect(ctx, c.world.Transport, endpoint.Bare())
	if err != nil {
		return nil, err
	}
	if k, err = link.Open(ctx, conn, config); err == nil {
		return k, c.meant(k)
	}
	if why := guard.Reason(err); why != nil {
		c.refuse(&c.guard.Sightings, c.to, "", endpoint, why)
		if !errors.Is(why, zmtp.ErrMechanism) {
			c.do(c.turnedAway)
		}
	}
	return nil, err
}

// turnedAway ends what there is with a peer that is present and did not let us in again.
// Anybody may have said so in a handshake: it does not count while the peer speaks to us.
func (c *caller) turnedAway() {
	if p := c.of(c.to); p.attempt == c.attempt && p.theirs == nil && p.Channel != nil {
		c.step(zre.TurnedAway{Peer: c.to})
	}
}

// meant makes sure that a connection leads to the peer, as far as the far side shows
// who it is: nodes of RFC 36 do not. What carries one direction is not for a peer that we
// have a channel with.
func (c *caller) meant(k *link.Link) error {
	there, err := guard.PeerOf(k.RemoteIdentity())
	meant := err != nil && !identity.Owned(c.to) || linkKey(k) != nil || there == c.to
	if meant && (guard.Shows(k) || !c.talks()) {
		return nil
	}
	return errors.Join(dial.ErrSomebodyElse, k.Close())
}

// talks tells whether the peer has greeted us in a channel.
func (c *caller) talks() (talks bool) {
	c.do(func() { t := c.of(c.to).talk; talks = t != nil && t.in != nil })
	return talks
}

// shows tells whether the far side of a connection has shown who it is.
func shows(k *link.Link) bool {
	_, err := guard.PeerOf(k.RemoteIdentity())
	return err == nil || linkKey(k) != nil
}

// refused is called with what the peer says if it does not let us in, or drops what we
// say.
func (c *caller) refused(reason string) {
	if r := c.over.Load(); r != nil {
		r.refused(reason)
		return
	}
	c.do(func() { c.refuses(reason) })
}

func (c *caller) refuses(reason string) {
	out := c.out
	if out == nil { // given up before it stood
		return
	}
	name, endpoint := "", sight.Endpoint{Address: out.Link().RemoteAddr().String()}
	if present := c.find(out.peer); present != nil {
		p := present.Peer()
		if linkKey(out.Link()) == nil && out.endpoint != p.At() { // it may be somebody else who says so
			c.count("refusals from elsewhere")
			c.closeSoon(out.Link())
			return
		}
		name = p.Name()
	}
	c.refusedBy(out.peer, name, endpoint, reason, func() bool { return c.of(out.peer).ours == out })
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
