// Package wan is what a node has beyond its LAN: the rendezvous servers that it is found by,
// a port of its own where it is reached, which a gateway may map, and the ways to others.
//
// All links beyond the LAN have CURVE, whatever the LAN's have. What is told of others is a
// hint, as all sightings are: who is at the end of a link it proves itself.
//
// Programs import bindings/go/once: what is here may change at any time.
package wan

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/ladder"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/mapping"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/client"
	"github.com/sjohnr/at-once/src/rendezvous/wss"
	"github.com/sjohnr/at-once/src/sight"
)

// ErrUnknown says that no server tells of a peer, and that the node has not met it.
var ErrUnknown = errors.New("no rendezvous server tells of it")

// Config is what a node is told of what lies beyond its LAN.
type Config struct {
	Servers   []rendezvous.Address
	Identity  *identity.Identity
	Members   bool           // only members of the identity's network come in
	Transport link.Transport // which the node has on its LAN, too
	Listen    string         // where to be reached, as [link.Transport] has it
	Here      bool           // that is where this host alone connects to: no gateway is asked
	Pins      client.Pins    // what is known of servers; nil remembers nothing
	Kept      *Kept          // whom the node has met, and where it listens for them
	Strangers int            // connections that may wait to be greeted
	Linger    time.Duration
	Random    func(what string) float64
	Log       *slog.Logger
	Count     func(name string) // something unusual was seen
}

// Node is what takes what comes. What is a function may be called from any goroutine, and
// must not call the Access, nor wait for who does.
type Node struct {
	// Sighted is told, again and again, of those who are known and in a group that the node
	// is in, and returns who of them is present.
	Sighted func(peers []uuid.UUID) (present []uuid.UUID)
	// Open makes a connection that the node has dialled a link; see [ladder.Config].
	Open func(ctx context.Context, conn net.Conn, to *identity.Card, tie bool) (*link.Link, error)
	// Take takes a connection that has come, on a rung, from an address that what it costs
	// is counted under. It counts as a stranger's until over is called, once. The node is to
	// ask Arrived what to do with the link.
	Take func(conn net.Conn, from net.Addr, rung ladder.Rung, over func())
	// Ahead takes what a peer has said before there is a link with it, if it can be opened; the
	// cost of that is counted under an address.
	Ahead func(from net.Addr, peer uuid.UUID, open func() (*rendezvous.Ahead, error))
	// Twin is told of another node with the node's identity, and where a server has seen it.
	Twin func(at sight.Endpoint)
	// Refused is told of a server that does not let the node in, again and again, and why.
	Refused func(server uuid.UUID, at rendezvous.Address, why *client.RefusedError)
	// Told is told, for people, that no server answers any more, and that one does again.
	Told func(text string, bad bool)
	// Made takes a link that the node has made and nobody waits for. Lost must follow.
	Made func(path ladder.Path)
}

// Description is what there is to say of a node to those who share its network.
type Description struct {
	Name    string
	Headers map[string]string
	Groups  []string
}

// Access is a node's access to what lies beyond its LAN. All methods may be called from any
// goroutine.
type Access struct {
	Config
	listener net.Listener
	at       ladder.Candidates
	serving  link.Transport // over which servers are reached
	mapping  *mapping.Keeper
	stays    *stays
	guide    guide
	ways     *ways
	what     atomic.Pointer[Description]
	work     sync.WaitGroup
	node     Node
	changed  chan struct{} // something is to be told to the servers
	moved    chan struct{} // the host's network has changed
	turned   chan struct{} // a server answers, or does not
	doubts   chan struct{} // servers may not be there any more
}

// Listen has a node reached, once it runs.
func Listen(ctx context.Context, c Config) (*Access, error) {
	listener, err := listenAgain(ctx, c)
	if err != nil {
		return nil, err
	}
	a := &Access{
		Config: c, listener: listener, at: ladder.Candidates{Port: sight.Of(listener.Addr()).Port(), Here: c.Here},
		changed: make(chan struct{}, 1), moved: make(chan struct{}, 1), turned: make(chan struct{}, 1), doubts: make(chan struct{}, 1),
	}
	a.what.Store(new(Description))
	far := c.Transport
	a.serving = far
	if err := link.Share(listener); err == nil {
		far, a.serving = link.Port{At: listener.Addr()}, link.Port{At: listener.Addr(), Else: true}
	} else {
		c.Log.Info("no connections are made from the port beyond the LAN", "error", err)
	}
	a.ways = newWays(ladder.Config{
		ID: c.Identity.UUID(), Near: c.Transport, Far: far, Dials: new(client.Dials), Random: c.Random, Log: c.Log, Count: c.Count,
		Open: func(ctx context.Context, conn net.Conn, to *identity.Card, tie bool) (*link.Link, error) {
			return a.node.Open(ctx, conn, to, tie)
		},
		Take: func(conn net.Conn, by *client.Circuit) {
			a.node.Take(conn, addressOf(by.Peer), ladder.Relayed, func() {})
		},
		Made: a.made, Found: func(ladder.Path) {},
	})
	a.stays = newStays(c.Servers, a.client, func(s *stay) {
		a.at.Put(s, "")
		signal(a.changed)
		signal(a.turned)
	})
	a.guide = guide{a.stays, c.Kept}
	a.mapping = mapping.New(mapping.Keeper{
		Port: a.at.Port, Find: mapping.Find, Log: c.Log,
		Check: func(ctx context.Context, port uint16) (string, error) { return a.stays.all().dialBack(ctx, port) },
		Put: func(endpoint string) {
			if a.at.Put(a.mapping, endpoint) {
				signal(a.changed)
			}
		},
	})
	return a, nil
}

// listenAgain has the node reached where it was last, so that those who know that still reach it,
// or anywhere.
func listenAgain(ctx context.Context, c Config) (net.Listener, error) {
	host, anyport := strings.CutSuffix(c.Listen, ":*")
	if last := c.Kept.Port(); anyport && last != 0 {
		if listener, err := c.Transport.Listen(ctx, host+":"+strconv.Itoa(int(last))); err == nil {
			return listener, nil
		}
	}
	listener, err := c.Transport.Listen(ctx, c.Listen)
	if err == nil {
		c.Kept.listens(sight.Of(listener.Addr()).Port())
	}
	return listener, err
}

// addressOf returns an address that nobody has but who has an id: what comes over circuits
// comes from the server's, whoever's it is.
func addressOf(id uuid.UUID) net.Addr {
	local := append([]byte{0xfd}, id[1:8]...) // RFC 4193, one network for each
	return &net.TCPAddr{IP: append(local, make([]byte, 8)...)}
}

// client returns what is with a server, and is told where that observes the node.
func (a *Access) client(s *stay, address rendezvous.Address) *client.Client {
	return client.New(client.Config{
		Address: address, Identity: a.Identity, Members: a.Members, Transport: a.serving, WSS: wss.Dial, Pins: a.Pins,
		Observed: func(local net.Addr, at string) {
			if a.at.Observed(s, local, at) {
				signal(a.changed)
			}
			a.mapping.Moved()
		},
		Turned:   func() { signal(a.turned) },
		Describe: a.describe, Willing: a.ways.ladder.Willing, Met: a.ways.ladder.Met, Lent: a.lent,
		Linger: a.Linger, Log: a.Log, Random: a.Random, Count: a.Count,
	})
}

// Run stays with the servers, and takes who comes, until ctx ends.
func (a *Access) Run(ctx context.Context, node Node) {
	a.node = node
	a.stays.run(ctx, func(list []sight.Sighting) {
		for _, s := range list {
			if s.ID == a.Identity.UUID() {
				node.Twin(s.Endpoint)
			}
		}
		a.look()
	})
	if !a.Here {
		a.work.Go(func() { a.mapping.Run(ctx) })
	}
	a.work.Go(func() { a.follow(ctx) })
	link.Accept(ctx, a.listener, a.Strangers, func(conn net.Conn, over func()) {
		node.Take(conn, conn.RemoteAddr(), ladder.RungOf(conn.RemoteAddr()), over)
	}, func(err error) {
		if errors.Is(err, link.ErrTooMany) {
			a.Count("connections over the limit")
		} else {
			a.Log.Warn("cannot accept a connection from beyond the LAN", "error", err)
		}
	})
	a.ways.ladder.Close()
	a.stays.close()
	a.work.Wait()
	a.Kept.save(a.Log)
}

// Close has a node that never runs reached no more.
func (a *Access) Close() error {
	if a == nil {
		return nil
	}
	a.ways.ladder.Close()
	return a.listener.Close()
}

// Describe tells the servers what there is to say of the node.
func (a *Access) Describe(what Description) {
	a.what.Store(&what)
	signal(a.changed)
}

// describe returns that, and where the node may be reached.
func (a *Access) describe() client.Description {
	list, err := a.at.List()
	if err != nil {
		a.Log.Warn("the addresses of this host are not known", "error", err)
	}
	what := a.what.Load()
	return client.Description{Name: what.Name, Headers: what.Headers, Groups: what.Groups, Candidates: list}
}

// Moved says that the host's network has changed.
func (a *Access) Moved() {
	if a != nil {
		a.mapping.Moved()
		signal(a.moved)
	}
}

// signal has who follows a channel know of something, if it does not yet.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// follow tells the servers what has changed, and the node of others, until ctx ends.
func (a *Access) follow(ctx context.Context) {
	again := time.NewTicker(oncemsg.MaxSighted * time.Millisecond)
	defer again.Stop()
	for away := false; ; {
		select {
		case <-a.turned:
			away = stand(a.stays.all(), away, &a.node)
			a.ways.ladder.Hasten()
			continue
		case <-a.doubts:
			a.stays.all().each((*client.Client).Doubt)
			continue
		case <-again.C:
		case <-a.moved:
			a.stays.all().each((*client.Client).Moved)
			a.stays.all().each((*client.Client).Renew)
			a.ways.ladder.Moved()
			a.Kept.soon()
		case <-a.changed:
			a.stays.all().each((*client.Client).Renew)
		case <-ctx.Done():
			return
		}
		a.look()
	}
}

// stand tells the node how things stand with its servers. It is told whether the node knows
// that all are away, and returns whether it does then.
func stand(list servers, away bool, node *Node) bool {
	var troubles []string
	back := ""
	for _, s := range list {
		state := s.State()
		switch hosts := strings.Join(s.Address.Hosts, ","); {
		case state.Trouble == "":
			back = hosts
		case state.Away:
			troubles = append(troubles, hosts+": "+state.Trouble)
		}
		if state.Refused != nil {
			node.Refused(state.Server, s.Address, state.Refused)
		}
	}
	switch {
	case !away && len(troubles) == len(list):
		node.Told("no rendezvous server is of use now, and who is not met yet is not found across the internet: "+strings.Join(troubles, "; "), true)
		return true
	case away && back != "":
		node.Told("a rendezvous server is of use again: "+back, false)
		return false
	}
	return away
}

// look tells of those who share a group with the node: of whom servers tell, and whom it has
// met and looks for now.
func (a *Access) look() {
	groups, with := a.what.Load().Groups, a.stays.all()
	var list []uuid.UUID
	told := map[uuid.UUID]bool{}
	for _, p := range with.known() {
		told[p.ID] = true
		if slices.ContainsFunc(p.Inside.Groups, func(group string) bool { return slices.Contains(groups, group) }) {
			list = append(list, p.ID)
		}
	}
	list = append(list, a.Kept.due(with.networks(), groups, told, a.Random)...)
	for _, id := range a.node.Sighted(list) {
		a.Met(id)
	}
	a.Kept.save(a.Log)
}

// Known returns those whom the servers tell of and the network's SECRET shows, each once, in
// the order of their ids.
func (a *Access) Known() []*client.Peer { return a.stays.all().known() }

// States returns how things stand with each server, by its public address.
func (a *Access) States() map[string]client.State { return a.stays.all().states() }

// Facts returns how the node is reached, as the class model of a node has it.
func (a *Access) Facts() map[string]string {
	facts := map[string]string{"port": strconv.Itoa(int(a.at.Port)), "mapped": a.at.Found(a.mapping)}
	for address, state := range a.States() {
		switch {
		case state.Refused != nil:
			facts["refused "+address] = state.Refused.Reason.String()
			continue
		case state.Trouble != "" && !state.Away:
			facts["sought "+address] = "true"
			continue
		case state.Trouble != "":
			continue
		}
		facts["observed "+address] = state.Observed
		facts["trip "+address] = state.Trip.Round(time.Microsecond).String()
		facts["clock "+address] = state.Offset.Round(time.Millisecond).String()
		facts["relays "+address] = strconv.FormatBool(state.Relays)
	}
	return facts
}

// Stay has the node be with some servers, and leave the others that it is with, and returns
// those that are new. It is there under an old SECRET for as long as a lease lasts: who does
// not have the new one yet is met there, and told.
func (a *Access) Stay(list []rendezvous.Address) (entered []rendezvous.Address) {
	return a.stays.change(list)
}
