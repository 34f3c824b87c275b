package node

import (
	"encoding/binary"
	"errors"
	"net"
	"time"

	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
	"github.com/sjohnr/at-once/src/zre"
)

// deliver takes the messages of one read, in the order in which they came.
func (r *receiver) deliver(b *link.Batch) (err error) {
	defer b.Release()
	for i := 0; i < b.Len() && !r.away.Load() && err == nil; {
		if r.both && r.lane.owns(b.Message(i)) {
			err = r.ofLink(b.Message(i))
			i++
		} else {
			i, err = r.take(b, i)
		}
	}
	return err
}

// take takes the messages of a batch from i on, as far as they are the peer's: it queues
// content for the application and takes the rest to the loop. It returns where it has ended.
func (r *receiver) take(b *link.Batch, i int) (next int, err error) {
	in := r.in
	in.pause()
	in.mu.Lock()
	defer in.mu.Unlock()
	in.over = &r.inbound
	at, run, urgent := time.Now(), r.events.Batch(b), false
	position := in.reach.Next()
	for ; i < b.Len() && !r.away.Load(); i++ {
		frames := b.Message(i)
		if r.both && r.lane.owns(frames) {
			break
		}
		r.came++
		id, err := zremsg.Peek(frames[0])
		octets := 0
		if r.both {
			var fresh bool
			var gap error
			if fresh, octets, gap = r.passes(frames, id, position); gap != nil {
				r.push(run, position, r.came)
				return i, gap
			} else if !fresh { // the peer does not know that we have it
				urgent = true
				continue
			}
		}
		switch {
		case err != nil:
			r.count("messages that are not ZRE")
			continue
		case r.both && in.channel == nil && meant(id) && !r.enters():
			return i, errOutOfPlace
		case !r.both && in.channel == nil && id != zremsg.IDHello && !r.goesOn():
			r.count("words before the greeting")
			continue
		case says(id):
			inStep, err := in.content(run, id, frames, at)
			if err != nil {
				return i, r.fails(run, position, err)
			}
			position += uint64(octets)
			if inStep {
				continue
			}
		}
		if !r.push(run, position, r.came-1) {
			return b.Len(), r.dismissed()
		}
		run = r.events.Batch(b)
		if !says(id) {
			if frames, err = r.proved(frames, position); err != nil {
				r.events.Recycle(run)
				return i, err
			}
			position += uint64(octets)
			urgent = urgent || id != zremsg.IDPingOK
		}
		if err := r.control(b, i, id, frames); err != nil {
			r.events.Recycle(run)
			return i, err
		}
		if r.in != in { // what it greeted with was taken over another link
			r.events.Recycle(run)
			r.again()
			return i + 1, nil
		}
		in.reach.Took(position)
	}
	if !r.push(run, position, r.came) {
		return i, r.dismissed()
	}
	if r.lane.begun {
		in.acknowledge(urgent)
	}
	return i, nil
}

// meant tells whether a message is said only to who is present.
func meant(id zremsg.ID) bool {
	switch id {
	case zremsg.IDHello, zremsg.IDJoin, zremsg.IDLeave, zremsg.IDGoodbye:
		return false
	}
	return true
}

// says tells whether a message is content.
func says(id zremsg.ID) bool {
	return id == zremsg.IDWhisper || id == zremsg.IDShout || id == zremsg.IDExchange
}

// proved returns a message that is no content without its proof, if there has to be one.
func (r *receiver) proved(frames [][]byte, position uint64) ([][]byte, error) {
	in, last := r.in, len(frames)-1
	if !r.lane.begun || in.tie == nil {
		return frames, nil
	}
	at := guard.Place{Own: in.theirs, Other: in.ours, Position: position}
	if last == 0 || !in.tie.ProvesAt(at, frames[0], frames[last]) {
		return nil, errUnproved
	}
	return frames[:last], nil
}

// push queues a run of events, before which the channel has come to a position. It tells
// whether more may come.
func (r *receiver) push(run *Batch, position, came uint64) bool {
	if r.in.ended {
		r.events.Recycle(run)
		return true // what comes is passed over
	}
	if r.both {
		came = position
	}
	if !r.in.push(run, came) {
		return false
	}
	if r.both {
		r.in.reach.Took(position)
	}
	return true
}

// fails queues what came before something that ends the connection. A second time at the
// same place it ends the channel.
func (r *receiver) fails(run *Batch, position uint64, why error) error {
	if !r.both {
		r.link.Spoil()
		r.events.Recycle(run)
		return why
	}
	r.push(run, position, r.came)
	if r.in.failed == position+1 {
		r.loop.post(zre.Broken{Peer: r.peer})
	}
	r.in.failed = position + 1
	return why
}

// dismissed ends the connection of a peer whose exit was told. A node that stops reads on,
// until those who are connected to it know what it has taken.
func (r *receiver) dismissed() error {
	switch {
	case r.both: // what the peer acknowledges still counts
		r.in.acknowledge(true)
		r.in.ended = true
		return nil
	case r.events.Ended():
		return nil
	}
	return net.ErrClosed
}

// control takes message i of a batch to the loop and waits until that has dealt with
// it; a HELLO, until the peer is present or turned away.
func (r *receiver) control(b *link.Batch, i int, id zremsg.ID, frames [][]byte) error {
	if says(id) {
		r.loop.post(zre.OutOfStep{Peer: r.peer, Link: r.in.voice})
		return nil
	}
	message := zremsg.New(id)
	if err := message.Decode(frames[0], frames[1:]); err != nil {
		r.count("messages that are malformed")
		r.log(r.peer).Debug("malformed message", "message", id, "error", err)
		return nil
	}
	if confirm, ok := message.(*zremsg.Confirm); ok && r.in.unopened {
		confirm.Count, r.in.unopened = 0, false // which is the answer that it gets
	}
	sequence := binary.BigEndian.Uint16(frames[0][zremsg.SequenceOffset:])
	if id != zremsg.IDHello {
		if !r.in.inStep(sequence) {
			r.loop.post(zre.OutOfStep{Peer: r.peer, Link: r.in.voice})
		}
		switch id {
		case zremsg.IDHolds, zremsg.IDAsk, zremsg.IDRoll:
			if r.loop.ofRoll(r.peer, message); id == zremsg.IDHolds {
				r.loop.do(r.loop.seek)
			}
			return nil
		case zremsg.IDAskServers:
			r.loop.giveServers(r.peer)
			return nil
		case zremsg.IDAskSealing, zremsg.IDSealing:
			r.ofSealing(message)
			return nil
		}
		heard := zre.Heard{Peer: r.peer, Link: r.in.voice, Message: message}
		if id == zremsg.IDPing || id == zremsg.IDPingOK { // nothing to keep in order: no need to wait
			r.loop.later(heard)
		} else {
			r.loop.post(heard)
		}
		return nil
	}
	if r.lane.begun || r.in.theirs == 0 { // else the channel goes on where it is
		r.in.sequence = sequence
	}
	if r.in.channel == nil { // a stranger's greeting may wait for long
		b.Drop(i + 1)
	}
	return r.greeted(message.(*zremsg.Hello))
}

// ended takes note of how the connection ended.
func (r *receiver) ended(err error) {
	switch tooLarge := errors.Is(err, zmtp.ErrTooLarge); {
	case tooLarge && r.in.channel == nil:
		r.count("greetings over the limit")
	case tooLarge:
		r.count("messages over the limit")
	}
	r.log(r.peer).Debug("connection of a peer ended", "address", r.link.RemoteAddr(), "error", err)
}

// serve reads a connection that is registered until it ends.
func (r *receiver) serve() {
	r.awaitGreeting()
	r.served(r.link.Serve(r.deliver))
}

// serveIdle does as serve, and then something more, and does not wait for that.
func (r *receiver) serveIdle(then func()) {
	r.awaitGreeting()
	r.work.Add(1)
	r.link.ServeIdle(r.deliver, func(err error) {
		defer r.work.Done()
		r.served(err)
		then()
	})
}

// awaitGreeting ends the connection if there is no greeting.
func (r *receiver) awaitGreeting() {
	r.impatient = time.AfterFunc(r.settings.Greeting/2, func() { // the peer has the other half to try again
		if !r.proven.Load() {
			r.count("greetings that never came")
			_ = r.link.Close()
		}
	})
}

// served takes note that the connection has ended.
func (r *receiver) served(err error) {
	r.ended(err)
	r.isKnown()
	r.loop.unregister(r)
}
