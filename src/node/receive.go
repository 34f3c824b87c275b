package node

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/seal"
	"github.com/sjohnr/at-once/src/zmtp"
	"github.com/sjohnr/at-once/src/zre"
)

// receiver reads one connection that a peer made to us. What it has belongs to its
// goroutine.
type receiver struct {
	inbound
	loop      *loop
	visit     guard.Visit
	known     func()           // called once, when the greeting is accepted or the connection has ended
	impatient *time.Timer      // ends the connection if there is no greeting
	channel   *channel.Channel // nil until the greeting is accepted
	spoke     bool             // without one
	told      time.Time        // when the loop was last told that the peer waits
	greetings guard.Allowance
	keys      *guard.Allowance // sealing keys that the peer asks for; nil for none
	sequence  uint16
	came      uint64         // messages that came
	unopened  bool           // content that was sealed did not open, which the peer is yet to be told
	reached   uint64         // how many of them are taken in with the run that is pushed
	heard     channel.Amount // content that is in it
	whisper   zremsg.Whisper
	shout     zremsg.Shout
	dropped   map[string]struct{} // groups in which plain content was dropped
}

// deliver takes the messages of one read: it queues content for the application
// and takes the rest to the loop, in the order in which they came.
func (r *receiver) deliver(b *link.Batch) error {
	defer b.Release()
	at := time.Now()
	run := r.events.Batch(b)
	for i := range b.Len() {
		if r.away.Load() {
			break
		}
		frames := b.Message(i)
		r.came++
		id, err := zremsg.Peek(frames[0])
		switch {
		case err != nil:
			r.count("messages that are not ZRE")
			continue
		case r.channel == nil && id != zremsg.IDHello && !r.resume():
			r.count("words before the greeting")
			continue
		case id == zremsg.IDWhisper || id == zremsg.IDShout:
			if inStep, err := r.content(run, id, frames, at); err != nil {
				r.link.Spoil()
				r.events.Recycle(run)
				return err
			} else if inStep {
				continue
			}
		}
		if !r.push(run, r.came-1) {
			return r.dismissed()
		}
		run = r.events.Batch(b)
		if err := r.control(b, i, id); err != nil {
			r.events.Recycle(run)
			return err
		}
	}
	if !r.push(run, r.came) {
		return r.dismissed()
	}
	return nil
}

// dismissed ends the connection of a peer whose exit was told. A node that stops reads on,
// until those who are connected to it know what it has taken.
func (r *receiver) dismissed() error {
	if r.events.Ended() {
		return nil
	}
	return net.ErrClosed
}

// push queues a run of events, the last of so many messages that came. If it has to wait,
// the peer is told that we live. It tells whether more may come. Of content that is not
// taken the peer is not to believe that it was.
func (r *receiver) push(run *Batch, came uint64) bool {
	if !r.unopened {
		r.reached = came
	}
	empty := run.Size() == 0
	taken := r.events.Push(run, &r.Bringer, r.reached, func() {
		if now := time.Now(); now.Sub(r.told) > r.settings.Evasive/2 {
			r.told = now
			r.loop.later(zre.Stalled{Peer: r.peer})
		}
	})
	if !taken && !empty {
		r.link.Spoil()
	} else if !empty {
		r.channel.Received(r.heard)
	}
	r.heard = channel.Amount{}
	return taken || empty && r.events.Ended()
}

// content adds a whisper or shout to a run of events. It tells whether that is
// all there is to it: out of step, the loop must know. An error ends the
// connection.
func (r *receiver) content(run *Batch, id zremsg.ID, frames [][]byte, at time.Time) (inStep bool, err error) {
	e := events.Facts{Peer: r.channel.Peer(), At: at}
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
		r.count("messages that are malformed")
		return true, nil
	}
	inStep = r.inStep(sequence)
	if e.Peer.Badge().Seals() {
		if err := r.unseal(run, &e); err != nil || len(e.Content) == 0 {
			return inStep, err
		}
	} else if _, only := r.settings.sealed[e.Group]; only && e.Peer.Protection() == api.PeerProtectionPlain {
		r.dropPlain(e.Peer, e.Group)
		return inStep, nil
	}
	run.Add(e)
	r.heard.Messages++
	for _, frame := range frames {
		r.heard.Octets += uint64(len(frame))
	}
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

// unseal opens the content of an event in its place. What does not open is counted
// and has no content then. An error ends the connection.
func (r *receiver) unseal(run *Batch, e *events.Facts) (err error) {
	e.Content, err = run.Open(func(frames [][]byte) ([][]byte, error) {
		if e.Type == api.EventTypeWhisper {
			return r.opens.Whisper(r.channel, e.Content, frames)
		}
		return r.opens.Shout(e.Group, e.Content, frames)
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, channel.ErrCostly):
		return err
	}
	r.unopened = true
	r.link.Spoil()
	switch {
	case errors.Is(err, channel.ErrNotSealed):
		r.count("content that is not sealed")
	default:
		r.count("content that does not open")
		r.log(r.peer).Debug("content does not open", "error", err)
	}
	if errors.Is(err, seal.ErrKey) || errors.Is(err, seal.ErrGap) { // our greeting makes the peer begin anew
		r.loop.post(zre.OutOfStep{Peer: r.peer, Link: r.id})
	}
	return nil
}

// dropPlain takes note of content of a peer that is for a group in which only what is
// sealed counts. Both sides are told the first time.
func (r *receiver) dropPlain(peer *Peer, group string) {
	r.count("content that is not sealed")
	if _, told := r.dropped[group]; told {
		return
	}
	if len(r.dropped) == 0 {
		r.dropped = map[string]struct{}{}
		if r.nonces.Fresh() {
			r.link.Refuse(api.EventRefusalSealed.String())
		}
	}
	r.dropped[group] = struct{}{}
	r.refuse(&r.guard.Meetings, peer.UUID(), peer.Name(), peer.At(),
		fmt.Errorf("%w to group %q, where only what is sealed counts", guard.ErrDropped, group))
}

// control takes message i of a batch to the loop and waits until that has dealt with
// it; a HELLO, until the peer is present or turned away.
func (r *receiver) control(b *link.Batch, i int, id zremsg.ID) error {
	frames := b.Message(i)
	if id == zremsg.IDWhisper || id == zremsg.IDShout {
		r.loop.post(zre.OutOfStep{Peer: r.peer, Link: r.id})
		return nil
	}
	message := zremsg.New(id)
	if err := message.Decode(frames[0], frames[1:]); err != nil {
		r.count("messages that are malformed")
		r.log(r.peer).Debug("malformed message", "message", id, "error", err)
		return nil
	}
	if confirm, ok := message.(*zremsg.Confirm); ok && r.unopened {
		confirm.Count, r.unopened = 0, false // which is the answer that it gets
	}
	sequence := binary.BigEndian.Uint16(frames[0][zremsg.SequenceOffset:])
	if id != zremsg.IDHello {
		if !r.inStep(sequence) {
			r.loop.post(zre.OutOfStep{Peer: r.peer, Link: r.id})
		}
		switch id {
		case zremsg.IDHolds, zremsg.IDAsk, zremsg.IDRoll:
			r.loop.ofRoll(r.peer, message)
			return nil
		case zremsg.IDAskSealing, zremsg.IDSealing:
			r.ofSealing(message)
			return nil
		}
		heard := zre.Heard{Peer: r.peer, Link: r.id, Message: message}
		if id == zremsg.IDPing || id == zremsg.IDPingOK { // nothing to keep in order: no need to wait
			r.loop.later(heard)
		} else {
			r.loop.post(heard)
		}
		return nil
	}
	if r.sequence = sequence; r.channel == nil { // a stranger's greeting may wait for long
		b.Drop(i + 1)
	}
	return r.greeted(message.(*zremsg.Hello))
}

// ended takes note of how the connection ended.
func (r *receiver) ended(err error) {
	switch tooLarge := errors.Is(err, zmtp.ErrTooLarge); {
	case tooLarge && r.channel == nil:
		r.count("greetings over the limit")
	case tooLarge:
		r.count("messages over the limit")
	}
	r.log(r.peer).Debug("connection of a peer ended", "address", r.link.RemoteAddr(), "error", err)
}
