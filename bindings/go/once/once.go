// Package once lets programs on a network find each other and talk, without a
// server: nodes come and go, form groups, whisper to one peer and shout to a
// group. It speaks ZRE (RFC 36), so Zyre, pyre and gyre programs are peers like
// any other.
//
//	node, err := once.Start(ctx, once.Config{Name: "alice", Groups: []string{"room"}})
//	if err != nil {
//		return err
//	}
//	defer node.Close()
//	for event := range node.Events(ctx) {
//		switch e := event.(type) {
//		case *once.Enter:
//			fmt.Println(e.Peer.Name(), "is here")
//		case *once.Shout:
//			fmt.Printf("%s in %s: %s\n", e.Peer.Name(), e.Group, e.Content[0])
//		}
//	}
//
// # What is promised
//
// Whispers, shouts, joins and leaves of one @Once node arrive at another in order and
// exactly once, from its [Enter] to its [Exit], over however many connections and
// addresses meanwhile: what was under way when one broke is said again over the next.
// A peer that is slow to read is waited for, in [Node.Whisper] and [Node.Shout],
// within the bounds of their context. Only a shout does not wait for a peer that is
// suspect: one whose queue has no room is gone then. Nothing is promised beyond an exit: what the peer had not confirmed by then
// it may have or not. It comes back in [Undelivered] events, before the exit and in
// order, and an [*UndeliveredError] counts it; what is unread takes of Config.Outboxes. With [SecurityPlain] this
// holds against accidents, else against attackers on the network too. Plain peers,
// such as Zyre's, get each message at most once and in order: what is under way when
// a connection breaks may be lost.
//
// Whisper and Shout return when a message is queued for its receivers. That they
// have it is what [Node.Flush] waits for, and [Node.Close] within Config.Linger:
// both return an [*UndeliveredError] if peers are not known to have got something.
// A peer has a message when it is in its queue of events. Whether its program reads
// it there, and what comes of it, only that program can tell: [Node.Ask] waits for its
// answer, which it gives by [Node.Reply].
//
// # Security
//
// Each node has an [Identity], a key that its UUID is made of, so that nobody else
// can have that UUID. Nodes with the default, [SecurityAuto], connect as Zyre's do,
// and seal what they say to each other from end to end; what plain nodes say and
// are told is plain. With [SecuritySecure] all connections are encrypted too, and
// only nodes with an identity come in. [Peer].Protection tells which it is.
//
// Anybody can make an identity. [TrustFirstUse] keeps names with who came with them
// first, and [TrustMembers] lets in only whom a [NetworkKey] has invited. Whom it revokes
// since, and whose membership it renews or gives another name, the members pass on among
// themselves, once one of them has its roll, by [Node.Spread] or [Identity].Adopt; a
// [Notice] tells of it. Of nodes that do not talk with this one a [Refusal] tells, and which of the two refuses the other.
//
// One node at a time runs with an identity: [Start] fails with [ErrInUse] while another
// does, of this process or, with the same directory, of another. With Config.Shared it is
// attached to that node instead, if that is shared too. Where a copy of the directory is
// in use, a [Twin] tells.
//
// # Memory
//
// An [Event] is valid until the next one is taken. What should last longer is
// copied with [Keep]. What is sent is copied before the call returns.
//
// # Closing
//
// [Node.Close] is the same as leaving all groups, saying goodbye to all peers,
// waiting for at most Config.Linger until they have taken all that was said to
// them, and closing all connections. It returns an [*UndeliveredError] that names
// who has not, and who was not known to have got something before, unless a Flush
// has told of it. Calls that wait return [ErrStopped], which is a net.ErrClosed, as do
// later ones; events that were queued can still be read. Closing twice is safe, and
// returns the same.
package once

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/libonce"
	"github.com/sjohnr/at-once/src/check"
)

// Version is the version of the project.
const Version = libonce.Version

// NoBeacon as Config.BeaconPort makes a node that neither sends nor hears
// beacons; it meets those whom Connect names, or who connect to it.
const NoBeacon = -1

// Node is a node in a network. Its methods are safe for concurrent use, except
// that events are read by one goroutine at a time. One that is nil or zero does not run:
// its methods return zero values, or [ErrNotRunning] if they can fail.
type Node struct {
	lib    *libonce.Node
	unwind func() bool
	done   chan struct{}
	lost   error // what close returned; set before done is closed
	typed  typed
}

// engine returns what the node stands on, nil for one that Start did not return.
func (n *Node) engine() *libonce.Node {
	if n == nil {
		return nil
	}
	return n.lib
}

// Start starts a node, which runs until ctx ends or Close. Interfaces and gossip servers
// need not be there yet. It fails with ctx's error if ctx has ended; with a [*ConfigError]
// that names the field if config is not right, which is [ErrArgument] or says more, as
// [ErrEndpoint], [ErrServers], [ErrReserved], [ErrHeaders], [ErrGroups], [ErrNoIdentity],
// [ErrMembers] or [ErrTimeouts]; with [ErrInUse] if another node runs with the identity;
// and with the error of the system if the node cannot listen.
func Start(ctx context.Context, config Config) (*Node, error) {
	if ctx == nil {
		return nil, named("Start", check.Context("", ctx))
	}
	lib, err := libonce.NewNode(config.Name)
	if err != nil {
		return nil, field("Name", check.Quote(config.Name), err)
	}
	if err := config.apply(lib); err != nil {
		return nil, err
	}
	if err := lib.Start(ctx); err != nil {
		var setting *check.SettingError
		if errors.As(err, &setting) {
			return nil, field(setting.Setting, "", err)
		}
		return nil, fmt.Errorf("start a node: %w", err)
	}
	n := &Node{lib: lib, done: make(chan struct{})}
	n.unwind = context.AfterFunc(ctx, n.close)
	return n, nil
}

// udpPort returns the port that Config.BeaconPort means, 0 for none.
func udpPort(port int) int {
	if port == NoBeacon {
		return 0
	}
	return port
}

func commas(names []string) string { return strings.Join(names, ",") }

// UUID returns the node's UUID, which peers know it by.
func (n *Node) UUID() uuid.UUID { return n.engine().UUID() }

// Name returns the node's public name.
func (n *Node) Name() string { return n.engine().Name() }

// Holder returns the process that runs the node, its number and on which host, if
// Config.Shared has this one attached to it; else an empty string.
func (n *Node) Holder() string { return n.engine().Holder() }

// Endpoint returns where the node accepts connections.
func (n *Node) Endpoint() string { return n.engine().Endpoint() }

// Join joins a group, which exists as soon as somebody is in it. It fails with
// [ErrGroups] if the greeting has no room for the group, see Config.Groups; with
// [ErrArgument] if its name has not 1 to 255 octets; or with [ErrStopped].
func (n *Node) Join(group string) error { return named("Join", n.engine().Join(group)) }

// Leave leaves a group. Leaving one that the node is not in changes nothing. It fails
// with [ErrArgument] if its name has not 1 to 255 octets, or with [ErrStopped].
func (n *Node) Leave(group string) error { return named("Leave", n.engine().Leave(group)) }

// Groups returns the groups that the node is in, sorted.
func (n *Node) Groups() []string { return n.engine().OwnGroups() }

// PeerGroups returns the groups that some peer is in, sorted.
func (n *Node) PeerGroups() []string { return n.engine().PeerGroups() }

// Snapshot returns all that the node knows now. Events whose Origin.Version is
// higher than that of the view tell how it goes on; those with the same or a
// lower one are in it already. It is for one view at a time: what happened and
// was undone between an older view and the latest may never be told. It fails with
// [ErrStopped].
func (n *Node) Snapshot() (View, error) {
	view, err := n.engine().Snapshot()
	return View(view), err
}

// Peers returns the peers that are present, in the order of their UUIDs.
func (n *Node) Peers() []Peer { return peersOf(n.engine().Peers()) }

// Members returns the peers that are in a group, in the order of their UUIDs.
func (n *Node) Members(group string) []Peer { return peersOf(n.engine().PeersByGroup(group)) }

// Peer returns a peer that is present. It fails with [ErrNoPeer] if it is not, or with
// [ErrStopped].
func (n *Node) Peer(peer uuid.UUID) (Peer, error) {
	p, err := n.engine().Peer(peer)
	return Peer(p), err
}

// SetHeader sets one of the node's headers while it runs; see Config.Headers for the first
// ones and for the limits. Peers that are @Once nodes are told at once, but not more than
// once a second, and get a [Changed]. Plain ZRE peers, whose protocol tells headers in a
// greeting only, see it when they meet the node the next time. It fails with
// [ErrReserved], [ErrHeaders], [ErrArgument] or [ErrStopped], and with [ErrAttached] if
// another process runs the node, see [Node.Holder].
func (n *Node) SetHeader(name, value string) error {
	return named("SetHeader", n.engine().SetHeader(name, value))
}

// UnsetHeader takes one of the node's headers away while it runs. Peers are told as by
// [Node.SetHeader]. It fails with [ErrUnknown] if there is no such header, or with
// [ErrAttached] or [ErrStopped].
func (n *Node) UnsetHeader(name string) error {
	return named("UnsetHeader", n.engine().UnsetHeader(name))
}

// Connect connects to a peer that no beacon tells of, at tcp://ADDRESS:PORT, or
// what its Endpoint returns if it is secure, and stays with it: if it is lost, the
// node connects again. It does not wait; an [Enter] tells when the peer is present. It
// fails with [ErrEndpoint], with [ErrSelf] if the peer is the node itself, or with
// [ErrStopped].
func (n *Node) Connect(peer uuid.UUID, endpoint string) error {
	return named("Connect", n.engine().RequirePeer(peer, endpoint))
}

// GossipUnpublish has the node's gossip tell no more of a peer, until the peer publishes
// itself anew; other nodes may still tell of it. A node that does not gossip has nothing
// to take back. It fails with [ErrStopped].
func (n *Node) GossipUnpublish(peer uuid.UUID) error { return n.engine().GossipUnpublish(peer) }

// Whisper sends a message of one or more frames to one peer. It waits while the
// peer's queue is full, until ctx ends. [Node.Flush] tells whether the peer has it. It
// fails with [ErrNoPeer] if the peer is not present, [ErrNoKey] if what is for it is sealed
// and it has not brought the key for that within 5 seconds, [ErrSelf] if it is the node itself,
// [ErrTooLarge], [ErrArgument] unless there are 1 to 65536 frames, [ErrStopped], or ctx's
// error; nothing was queued then. A peer that is not present, and that a rendezvous server tells
// of, is met first, within the greeting time-out: up to 32 KiB do not wait for that, but go with
// the request for a way to it, so that after an error they may have arrived. A message holds up all that is said to the peer after it:
// package files is for what has more than 64 KiB.
func (n *Node) Whisper(ctx context.Context, peer uuid.UUID, content ...[]byte) error {
	return named("Whisper", n.engine().Whisper(ctx, peer, content))
}

// Shout sends a message of one or more frames to all peers in a group and
// returns to how many. It waits while the queue of one of them is full, until
// ctx ends, but not for a peer that is suspect: if the queue of that is full, it
// does not get the message, and [Node.Flush] says so. So it does of a peer that does not
// bring the key to seal with. The node itself need not be
// in the group, and gets no copy. It fails as [Node.Whisper] does; a group that nobody is
// in is no error.
func (n *Node) Shout(ctx context.Context, group string, content ...[]byte) (int, error) {
	receivers, err := n.engine().Shout(ctx, group, content)
	return int(receivers), named("Shout", err)
}

// Flush waits until each peer has confirmed all that was said to it before, or ctx
// ends. It returns an [*UndeliveredError], which is [ErrUndelivered], that names those
// that have not, and those that are gone or whose connection was lost before they did.
// What is lost is told once; what is still on its way when ctx ends, the next Flush waits
// for again. A peer also confirms what it drops: what is sealed and does not open, which
// only its counts show, and, where it takes only what is sealed, what is plain, which a
// [Refusal] tells.
func (n *Node) Flush(ctx context.Context) error {
	return named("Flush", undelivered(n.engine().Flush(ctx)))
}

// never is closed: a node that Start did not return does not run.
var never = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Ping asks a peer to confirm what was said to it before, and returns how long it takes to do
// so: the way there and back, and what the peer's program takes to read what came before; a
// plain peer answers without that. It fails with ctx's error, with [ErrNoPeer], or with
// [ErrStopped].
func (n *Node) Ping(ctx context.Context, peer uuid.UUID) (time.Duration, error) {
	took, err := n.engine().Ping(ctx, peer)
	return time.Duration(took) * time.Microsecond, named("Ping", err)
}

// Traffic is what was said between this node and a peer since the peer came, in messages and
// in octets as they are on the wire. What this node drops does not count.
type Traffic struct {
	SentMessages     uint64 // messages that were said to the peer
	SentOctets       uint64 // octets of those
	ReceivedMessages uint64 // messages of the peer that were queued for the program
	ReceivedOctets   uint64 // octets of those
	WaitingOctets    uint64 // octets that wait here: the peer has not acknowledged them or, if it is plain, the system has not taken them
}

// Traffic returns what was said between this node and a peer. It fails with [ErrNoPeer], or
// with [ErrStopped].
func (n *Node) Traffic(peer uuid.UUID) (Traffic, error) {
	amounts, err := n.engine().Traffic(peer)
	return Traffic{amounts["sent messages"], amounts["sent octets"],
		amounts["received messages"], amounts["received octets"], amounts["waiting octets"]}, err
}

// Spread takes in a roll of the network that the node is a member of (see
// [NetworkKey].Roll), and passes it on. It waits until a number of the members that the roll
// names have said that they have it, or ctx ends, and returns their ids. It does not wait on
// if a member has a later roll, or one that contradicts it: then [Node.Rolls] has that, for
// [NetworkKey].Adopt. It fails with [ErrMalformed] or [ErrForged] if the roll is not right,
// with [ErrNetwork] if it is of another network, with [ErrArgument], or with [ErrStopped];
// that ctx ends is no error.
func (n *Node) Spread(ctx context.Context, roll string, members int) ([]string, error) {
	holders, err := n.engine().Spread(ctx, roll, members)
	return holders, named("Spread", err)
}

// Rolls returns the roll of the node's network that counts here, and after it one that a
// member has shown and that contradicts it, if there is one.
func (n *Node) Rolls() []string { return n.engine().Rolls() }

// Done returns a channel that is closed when the node has stopped.
func (n *Node) Done() <-chan struct{} {
	if n.engine() == nil {
		return never
	}
	return n.done
}

// Close stops the node; see the package's documentation. It returns an
// [*UndeliveredError] if peers are not known to have got what was said to them.
func (n *Node) Close() error {
	if n.engine() == nil {
		return nil
	}
	if n.unwind() {
		n.close()
	}
	<-n.done
	return n.lost
}

func (n *Node) close() {
	n.lost = undelivered(n.lib.Stop())
	close(n.done)
}

// Servers returns the rendezvous servers that the node stays with, by their addresses without
// SECRET, each with what is wrong with it at the moment: nothing if it answers.
func (n *Node) Servers() map[string]string { return n.engine().Servers() }

// Beyond returns how the node is reached beyond its LAN, by name, and nothing if it stays with
// no server: "port" is the TCP port for that, "mapped" where a gateway has it reached, if one
// does; of each server that answers, with its address after a blank, "observed" is where it
// sees the node, "trip" how long the way there and back takes, "clock" how much its clock is
// ahead, and "relays" is true if it lends circuits.
func (n *Node) Beyond() map[string]string { return n.engine().Beyond() }

// Tried returns what was tried of late to reach a peer beyond the LAN, the latest last, for
// people: each way, whether it stands, and if not, why.
func (n *Node) Tried(peer uuid.UUID) []string { return n.engine().Tried(peer) }

// Known returns the names of those whom the servers tell of and who are not present, by id.
// The node connects to those in its groups by itself, and to another once something is
// whispered to it or Ping is called.
func (n *Node) Known() map[uuid.UUID]string {
	known := map[uuid.UUID]string{}
	for id, name := range n.engine().Known() {
		if id, err := uuid.Parse(id); err == nil {
			known[id] = name
		}
	}
	return known
}

// GossipServers returns the servers of Config.GossipConnect, each with what is wrong with
// it at the moment, for people: an empty text if it answers.
func (n *Node) GossipServers() map[string]string { return n.engine().GossipServers() }

// Counts returns how often something unusual was seen since the node began, by
// name, and how many beacons were heard. The names may change.
func (n *Node) Counts() map[string]uint64 { return n.engine().Counts() }

// Interfaces returns the networks that a node can use. It fails with the error of the
// system if that does not tell.
func Interfaces() ([]Interface, error) {
	list, err := libonce.NodeInterfaces()
	return interfacesOf(list), named("Interfaces", err)
}

// logTo returns a handler of the node's log that passes it on to a logger.
func logTo(logger *slog.Logger) libonce.NodeLogFn {
	return func(level int, message string, attributes map[string]string) {
		attrs := make([]slog.Attr, 0, len(attributes))
		for _, key := range slices.Sorted(maps.Keys(attributes)) { // always in the same order
			attrs = append(attrs, slog.String(key, attributes[key]))
		}
		logger.LogAttrs(context.Background(), slog.Level(level), message, attrs...)
	}
}
