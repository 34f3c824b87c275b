// Package ladder finds the best way to a peer that a rendezvous server knows: an address of
// a shared network, IPv6, a port that a gateway maps, an address that NATs let through
// because both sides dial each other, or a circuit through the server, which is asked for
// from the first moment. It goes on looking until there is a direct way. How a peer is
// looked for is modelled in api/machine/ladder.xml.
//
// What is dialled on the word of others is bounded: [client.Dialable] says where,
// [client.Dials] how often, and oncemsg.MaxPunch how many packets go there each time.
//
// Programs import bindings/go/once: what is here may change at any time.
package ladder

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/google/uuid"

	machine "github.com/sjohnr/at-once/generated/go/laddermachine"
	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous/client"
)

// Rung is a kind of way, the better the higher.
type Rung uint8

// The rungs.
const (
	Relayed Rung = iota // a circuit
	Direct              // a public IPv4 address
	IPv6                // one of IPv6
	LAN                 // an address of a shared network
)

func (r Rung) String() string { return [...]string{"relayed", "direct", "ipv6", "lan"}[r] }

// tier is what ways of equal worth have in common.
func (r Rung) tier() Rung {
	if r == IPv6 {
		return Direct
	}
	return r
}

// RungOf returns the rung of a link to an address, or from one.
func RungOf(at net.Addr) Rung {
	address, _ := netip.ParseAddrPort(at.String())
	return rungOf(address.Addr())
}

func rungOf(ip netip.Addr) Rung {
	switch ip = ip.Unmap(); {
	case ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsLoopback():
		return LAN
	case ip.Is6():
		return IPv6
	}
	return Direct
}

// Path is a link on which a peer has proved to be there.
type Path struct {
	Peer uuid.UUID
	Rung Rung
	Link *link.Link
}

// Trial is what became of a rung, or of an introduction that has failed.
type Trial struct {
	Peer     uuid.UUID
	Rung     Rung
	Endpoint string // nothing for a circuit
	Theirs   bool   // the peer has made the link, and from there
	Met      bool   // it was to be introduced to, and no rung was known
	Took     time.Duration
	Err      error // nil if it held
}

// Introducer is who passes on what two nodes need to meet: a [client.Client].
type Introducer interface {
	Known(peer uuid.UUID) *client.Meeting // where a peer is as far as is known without asking; nil for nowhere
	Look(ctx context.Context, peer uuid.UUID) (*client.Peer, error)
	Introduce(ctx context.Context, peer uuid.UUID) (*client.Meeting, error)
	Circuit(ctx context.Context, peer uuid.UUID, passed, ahead []byte) (*client.Circuit, error)
}

// Config is what a ladder is made of. What is a function may be called from any goroutine,
// and must not call the ladder.
type Config struct {
	ID     uuid.UUID      // of the node
	Near   link.Transport // dials addresses of a shared network
	Far    link.Transport // dials others, from the port that the node listens on: a [link.Port]
	Dials  *client.Dials
	Random func(what string) float64
	Log    *slog.Logger
	Count  func(name string) // something unusual was seen

	// Open makes a connection that the node has dialled a link, with CURVE that has Tie
	// set as tie says, within ctx. It fails if the peer of the card is not there.
	Open func(ctx context.Context, conn net.Conn, to *identity.Card, tie bool) (*link.Link, error)
	// Take takes a connection over a circuit that somebody has asked for, as if it had come
	// to where the node listens.
	Take  func(conn net.Conn, by *client.Circuit)
	Made  func(Path)  // a link that the node has dialled is of use: see Arrived
	Found func(Path)  // this one is to be used from now on
	Tried func(Trial) // a rung has held, or not
}

// Ladder looks for ways to peers. All methods may be called from any goroutine.
type Ladder struct {
	Config
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu   sync.Mutex
	ways map[uuid.UUID]*way
	lent int // circuits that are dialled because somebody has asked for them
}

// New returns a ladder. Close must follow.
func New(c Config) *Ladder {
	l := &Ladder{Config: c, ways: map[uuid.UUID]*way{}}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// Close gives all up, and waits until nothing is dialled any more. Links stay as they are.
func (l *Ladder) Close() {
	l.mu.Lock()
	for _, w := range l.ways {
		w.fire(machine.EventLetGo)
	}
	l.cancel()
	l.mu.Unlock()
	l.work.Wait()
}

// way returns the way to a peer, a new one if there is none yet. The caller holds the lock.
func (l *Ladder) way(peer uuid.UUID) *way {
	w := l.ways[peer]
	if w == nil {
		w = &way{ladder: l, peer: peer, lower: bytes.Compare(l.ID[:], peer[:]) < 0}
		w.timer = time.AfterFunc(machine.DefaultAgain, w.due)
		w.since = time.Now()
		if l.ctx.Err() == nil {
			l.ways[peer] = w
		} else {
			w.fire(machine.EventLetGo)
		}
	}
	return w
}

// Reach looks for a way to a peer that somebody knows, until LetGo. What is sent ahead, of at
// most oncemsg.MaxCircuitAhead octets, goes with the request for a circuit, if there is one.
// Who calls it has no link that is of use, whatever stands: another is looked for.
func (l *Ladder) Reach(peer uuid.UUID, by Introducer, ahead []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.way(peer)
	w.by = by
	if w.best.Link == nil {
		w.carry(ahead)
	}
	w.fire(machine.EventWant)
}

// Doubt says that a peer gives no sign of life: of the links to it those are closed over which
// nothing comes. It tells whether there were any.
func (l *Ladder) Doubt(peer uuid.UUID) (closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.ways[peer]
	for w != nil && w.best.Link != nil && time.Since(w.best.Link.Heard()) >= oncemsg.MaxQuiet*time.Millisecond {
		w.abandon()
		closed = true
	}
	return closed
}

// Moved says that the node's network has changed: there may be better ways to all peers.
func (l *Ladder) Moved() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.ways {
		if w.by != nil {
			w.fire(machine.EventWant)
		}
	}
}

// Hasten says that somebody answers again who may lend circuits: those that are asked for are
// asked for now.
func (l *Ladder) Hasten() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.ways {
		if w.carried != nil {
			w.carried.hasten()
		}
	}
}

// LetGo says that the node wants no way to a peer any more. Links stay as they are.
func (l *Ladder) LetGo(peer uuid.UUID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w := l.ways[peer]; w != nil {
		w.fire(machine.EventLetGo)
	}
}

// Willing tells whether somebody may be met who asks: those who are dialled at a time are
// not too many.
func (l *Ladder) Willing(who client.Proposal) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.room(who.ID)
}

// room tells whether a peer may be dialled that has asked. The caller holds the lock.
func (l *Ladder) room(peer uuid.UUID) bool {
	climbs := 0
	for _, w := range l.ways {
		if w.state == machine.StateClimbing && w.peer != peer {
			climbs++
		}
	}
	if climbs >= oncemsg.MaxClimbs {
		l.Count("introductions to more than are dialled at a time")
	}
	return climbs < oncemsg.MaxClimbs
}

// Met says that somebody was met who had asked. Others may have come first meanwhile.
func (l *Ladder) Met(m *client.Meeting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.room(m.ID) {
		return
	}
	w := l.way(m.ID)
	w.meeting = m
	w.doubted = w.best.Link != nil && w.best.Rung != Relayed // the peer would not ask if it had that
	w.fire(machine.EventIntroduction)
}

// Lent dials a circuit that somebody has asked for.
func (l *Ladder) Lent(c *client.Circuit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lent >= oncemsg.MaxClimbs {
		l.Count("circuits to more than are dialled at a time")
		return
	}
	if l.ctx.Err() == nil {
		l.lent++
		l.work.Go(func() {
			defer l.dialled()
			ctx, cancel := context.WithTimeout(l.ctx, link.DialTime)
			defer cancel()
			began := time.Now()
			conn, err := c.Dial(ctx)
			if err == nil {
				l.Take(conn, c)
			}
			l.tell(Trial{Peer: c.Peer, Rung: Relayed, Took: time.Since(began), Err: err})
		})
	}
}

// dialled notes that a circuit was dialled, or not.
func (l *Ladder) dialled() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lent--
}

// Arrived says that a link with a peer has come to where the node listens, and tells whether
// it is of use; else it is to be closed. For each that is, Lost must follow. It is to be used
// when Found says so, or kept for a while: the peer may know of another one first.
func (l *Ladder) Arrived(p Path) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.way(p.Peer).take(p)
}

// Lost says that a link has ended which was of use.
func (l *Ladder) Lost(p Path) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w := l.ways[p.Peer]; w != nil {
		w.lose(p)
	}
}

// tell tells what became of a rung.
func (l *Ladder) tell(t Trial) {
	l.Log.Debug("rung", "peer", t.Peer, "rung", t.Rung, "introduction", t.Met, "endpoint", t.Endpoint, "took", t.Took, "error", t.Err)
	l.Tried(t)
}
