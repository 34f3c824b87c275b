package node

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/zre"
)

// Frames of a message: of its content, and with its header.
const (
	maxContent = zremsg.MaxWhisperContent
	maxFrames  = 1 + maxContent
)

// Greetings that a peer may send over one connection: so many at once, and so many more a
// second, though it needs no more than one. Each costs us two signatures and, when we
// answer, a session.
const (
	maxGreetings  = 32
	greetingsRate = 2
)

// errGreetings ends the connection of a peer that greets too often.
var errGreetings = errors.New("too many greetings")

// errRejected ends the connection of a peer whose greeting is not accepted.
var errRejected = errors.New("the greeting was not accepted")

// verdict is what the loop says of who wants to speak for a peer.
type verdict int

const (
	verdictRefused verdict = iota
	verdictAdmitted
	verdictWait // until another connection of the peer has ended; then it is to be asked again
)

// receiver reads one connection that a peer made to us.
type receiver struct {
	node    *Node
	id      zre.LinkID
	peer    uuid.UUID
	link    *link.Link
	nonces  guard.Nonces
	verdict chan verdict  // the loop's on the latest HELLO
	ahead   *receiver     // the loop's: what comes first with verdictWait
	done    chan struct{} // closed when the connection has ended, and the core knows
	events.Bringer
	away atomic.Bool // the peer is not let in, and has been told

	// The reader's own.
	visit     guard.Visit
	known     func()      // called once, when the greeting is accepted or the connection has ended
	impatient *time.Timer // ends the connection if there is no greeting
	remote    *remote     // nil until the greeting is accepted
	spoke     bool        // without one
	told      time.Time   // when the loop was last told that the peer waits
	greetings guard.Allowance
	sequence  uint16
	count     uint64 // messages that came
	unopened  bool   // content that was sealed did not open, which the peer is yet to be told
	reached   uint64 // how many of them are taken in with the run that is pushed
	whisper   zremsg.Whisper
	shout     zremsg.Shout
	unsealer  unsealer
	dropped   map[string]struct{} // groups in which plain content was dropped
}

// deliver takes the messages of one read: it queues content for the application
// and takes the rest to the loop, in the order in which they came.
func (r *receiver) deliver(b *link.Batch) error {
	defer b.Release()
	at := time.Now()
	run := r.node.events.Batch(b)
	for i := range b.Len() {
		if r.away.Load() {
			break
		}
		frames := b.Message(i)
		r.count++
		id, err := zremsg.Peek(frames[0])
		switch {
		case err != nil:
			r.node.count("messages that are not ZRE")
			continue
		case r.remote == nil && id != zremsg.IDHello && !r.resume():
			r.node.count("words before the greeting")
			continue
		case id == zremsg.IDWhisper || id == zremsg.IDShout:
			if inStep, err := r.content(run, id, frames, at); err != nil {
				r.link.Spoil()
				r.node.events.Recycle(run)
				return err
			} else if inStep {
				continue
			}
		}
		if !r.push(run, r.count-1) {
			return r.dismissed()
		}
		run = r.node.events.Batch(b)
		if err := r.control(b, i, id); err != nil {
			r.node.events.Recycle(run)
			return err
		}
	}
	if !r.push(run, r.count) {
		return r.dismissed()
	}
	return nil
}

// dismissed ends the connection of a peer whose exit was told. A node that stops reads on,
// until those who are connected to it know what it has taken.
func (r *receiver) dismissed() error {
	if r.node.events.Ended() {
		return nil
	}
	return net.ErrClosed
}

// resume asks the loop, once, whether a peer may go on without a HELLO.
func (r *receiver) resume() bool {
	if r.spoke || !guard.SameKey(r.node.known(r.peer), linkKey(r.link)) {
		return false
	}
	r.spoke = true
	for {
		r.node.post(zre.Resumed{Peer: r.peer, Link: r.id})
		select {
		case v := <-r.verdict:
			if v == verdictWait && r.awaits() {
				continue
			}
			if r.remote = r.node.table.find(r.peer); v == verdictAdmitted && r.remote != nil {
				r.link.Widen()
				r.isKnown()
				r.sequence = uint16(r.remote.sequence.Load()) // what is missing since shows
				return true
			}
			r.remote = nil
			return false
		default:
			return false
		}
	}
}

// awaits waits for the end of the connection that comes first. It tells whether the
// loop is to be asked again.
func (r *receiver) awaits() bool {
	r.isKnown()
	select {
	case <-r.ahead.done:
		return true
	case <-r.verdict: // the node stops, or a later connection waits in place of this
		return false
	}
}

// push queues a run of events, the last of so many messages that came. If it has to wait,
// the peer is told that we live. It tells whether more may come. Of content that is not
// taken the peer is not to believe that it was.
func (r *receiver) push(run *Batch, count uint64) bool {
	if !r.unopened {
		r.reached = count
	}
	empty := run.Size() == 0
	taken := r.node.events.Push(run, &r.Bringer, r.reached, func() {
		if now := time.Now(); now.Sub(r.told) > r.node.settings.evasive/2 {
			r.told = now
			n, stalled := r.node, zre.Stalled{Peer: r.peer}
			n.calls <- func() { n.step(stalled) }
		}
	})
	if !taken && !empty {
		r.link.Spoil()
	}
	return taken || empty && r.node.events.Ended()
}

// content adds a whisper or shout to a run of events. It tells whether that is
// all there is to it: out of step, the loop must know. An error ends the
// connection.
func (r *receiver) content(run *Batch, id zremsg.ID, frames [][]byte, at time.Time) (inStep bool, err error) {
	e := events.Facts{Peer: r.remote.snapshot.Load(), At: at}
	var sequence uint16
	if id == zremsg.IDWhisper {
		err = r.whisper.Decode(frames[0], frames[1:])
		e.Type, e.Content, sequence = api.EventTypeWhisper, r.whisper.Content, r.whisper.Sequence
	} else {
		err = r.shout.Decode(frames[0], frames[1:])
		e.Type, e.Content, sequence = api.EventTypeShout, r.shout.Content, r.shout.Sequence
		e.Group = r.shout.Group
	}
	if err != nil {
		r.node.count("messages that are malformed")
		return true, nil
	}
	inStep = r.inStep(sequence)
	if e.Peer.Badge().Seals() {
		if err := r.unseal(run, &e); err != nil || len(e.Content) == 0 {
			return inStep, err
		}
	} else if _, only := r.node.settings.sealed[e.Group]; only && e.Peer.Protection() == api.PeerProtectionPlain {
		r.dropPlain(e.Peer, e.Group)
		return inStep, nil
	}
	run.Add(e)
	return inStep, nil
}

// inStep adopts a message's sequence number and tells whether it is the next.
func (r *receiver) inStep(sequence uint16) bool {
	r.sequence++
	if r.sequence == sequence {
		return true
	}
	r.sequence = sequence
	return false
}

// control takes message i of a batch to the loop and waits until that has dealt with
// it; a HELLO, until the peer is present or turned away.
func (r *receiver) control(b *link.Batch, i int, id zremsg.ID) error {
	n, frames := r.node, b.Message(i)
	if id == zremsg.IDWhisper || id == zremsg.IDShout {
		n.post(zre.OutOfStep{Peer: r.peer, Link: r.id})
		return nil
	}
	message := zremsg.New(id)
	if err := message.Decode(frames[0], frames[1:]); err != nil {
		n.count("messages that are malformed")
		n.log(r.peer).Debug("malformed message", "message", id, "error", err)
		return nil
	}
	if confirm, ok := message.(*zremsg.Confirm); ok && r.unopened {
		confirm.Count, r.unopened = 0, false // which is the answer that it gets
	}
	sequence := binary.BigEndian.Uint16(frames[0][zremsg.SequenceOffset:])
	if id != zremsg.IDHello {
		if !r.inStep(sequence) {
			n.post(zre.OutOfStep{Peer: r.peer, Link: r.id})
		}
		heard := zre.Heard{Peer: r.peer, Link: r.id, Message: message}
		if id == zremsg.IDPing || id == zremsg.IDPingOK { // nothing to keep in order: no need to wait
			n.calls <- func() { n.step(heard) }
		} else {
			n.post(heard)
		}
		return nil
	}
	if r.sequence = sequence; r.remote == nil { // a stranger's greeting may wait for long
		b.Drop(i + 1)
	}
	return r.greeted(message.(*zremsg.Hello))
}

// greeted takes a HELLO to the loop, if it shows what it has to, and waits until
// the peer is present or turned away.
func (r *receiver) greeted(hello *zremsg.Hello) error {
	n, key := r.node, linkKey(r.link)
	endpoint, _ := sight.Parse(hello.Endpoint)
	where := endpoint
	if _, theirs := n.guard.Shuns.Of(r.peer, where); theirs && n.table.find(r.peer) == nil {
		n.count("greetings of who does not let us in")
		return errRejected
	}
	var badge *zre.Badge
	if !r.greetings.Use(1, time.Now(), maxGreetings, greetingsRate) {
		n.count("greetings too often")
		return errGreetings
	}
	err := r.visit.Afford(time.Now())
	if err != nil {
		n.count("greetings over the limit of their address")
		return err
	}
	n.apart(func() { badge, err = n.guard.Vet(r.peer, key, hello, &r.nonces, n.known(r.peer)) })
	if err != nil {
		n.refuse(&n.guard.Meetings, r.peer, hello.Name, endpoint, guard.NotLetIn(err))
		r.shun(where)
		if r.turnAway(err); r.away.Load() {
			return nil
		}
		return fmt.Errorf("%w: %w", errRejected, err)
	}
	if n.table.find(r.peer) == nil {
		if text := n.guard.Clocks(r.peer, hello.Name, badge); text != "" {
			n.notice(text)
		}
	}
	r.visit.Refund()
	n.guard.Shuns.Remove(r.peer, where)
	hello.Endpoint = seenFrom(r.link, endpoint).With(key).String()
	for again := true; again; {
		n.post(zre.Heard{Peer: r.peer, Link: r.id, Message: hello, Badge: badge})
		v := <-r.verdict
		if again = v == verdictWait && r.awaits(); v != verdictAdmitted && !again {
			_ = r.visit.Afford(time.Now()) // it may be one that was overheard: it is in vain
			return errRejected
		}
	}
	if r.remote = n.table.find(r.peer); r.remote == nil {
		return errRejected
	}
	r.link.Widen()
	r.isKnown()
	return nil
}

// known returns what a peer has shown, nil if it is not present.
func (n *Node) known(peer uuid.UUID) *zre.Badge {
	if r := n.table.find(peer); r != nil {
		return r.badge()
	}
	return nil
}

// linkKey returns the key that the far side of a connection has proved, or nil.
func linkKey(l *link.Link) *[32]byte {
	if key, ok := l.RemoteKey(); ok {
		return &key
	}
	return nil
}

// hangUp closes the connection, if that is not under way; its reader then ends. It is
// the loop's, and the reader's.
func (r *receiver) hangUp() {
	r.decide(verdictRefused)
	if r.away.Load() {
		return
	}
	r.node.work.Go(func() { _ = r.link.Close() })
}

// finish has one connection of a peer take in what has come, and another wait for that.
func (n *Node) finish(id, next zre.LinkID) {
	r, heir := n.loop.inbound[id], n.loop.inbound[next]
	if r == nil || heir == nil {
		return
	}
	r.link.Finish()
	heir.ahead = r
	heir.decide(verdictWait)
}

// decide tells the reader, if it waits, whether its greeting is accepted. That it is not
// is the last word, in place of one that the reader has not heard yet.
func (r *receiver) decide(v verdict) {
	for {
		select {
		case r.verdict <- v:
			return
		default:
		}
		if v != verdictRefused {
			return
		}
		select {
		case <-r.verdict:
		default:
		}
	}
}
