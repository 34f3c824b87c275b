//go:build unix

package link

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"testing"
)

// choke says messages over a link, of which the far side reads nothing, until the operating
// system takes one in part only. The link goes on with the rest once the gate is open. Choke
// returns how many were said.
func choke(t *testing.T, l *Link, gate <-chan struct{}, say func(number int)) (said int) {
	t.Helper()
	write := l.run
	l.run = func() { <-gate; write() }
	for part := false; !part; said++ {
		l.hear() // so that say writes, which is no part of a burst then
		say(said)
		o := l.lock()
		part = l.left.b != nil
		if l.writing && !part {
			t.Error("it was left to the writer")
			part = true
		}
		o.mu.Unlock()
	}
	return said
}

// inOrder is a deliver function that counts messages, which have to come by their numbers.
func inOrder(t *testing.T, heard *int) func(*Batch) error {
	return each(func(m [][]byte) error {
		if n := int(binary.BigEndian.Uint32(m[0])); n != *heard {
			t.Errorf("message %d comes, should be %d", n, *heard)
			return errEnough
		}
		*heard++
		return nil
	})
}

// TestMoreAfterPart has more said while a message is written in part: in the buffer that it is
// in, and in others. All comes.
func TestMoreAfterPart(t *testing.T) {
	near, far := openPair(t, dealer, router)
	gate := make(chan struct{})
	say := func(i int) {
		if err := send(t.Context(), near, number(i, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	said := choke(t, near, gate, say)
	for more := said + 20; said < more; said++ {
		say(said)
	}
	close(gate)
	heard := 0
	nearEnd, farEnd := serve(near, discard), serve(far, inOrder(t, &heard))
	if err := near.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := errors.Join(nearEnd(), farEnd()); !errors.Is(err, io.EOF) || heard != said {
		t.Errorf("%d messages of %d, then: %v", heard, said, err)
	}
}

// TestMoveAfterPart moves an outbox from a link that has written a message in part: over that
// comes the rest of the message, and nothing of what is said then.
func TestMoveAfterPart(t *testing.T) {
	near, far := openPair(t, dealer, router)
	next, nextFar := openPair(t, dealer, router)
	o := granted(Config{Outbox: 32 << 20})
	if err := o.Attach(near, 0); err != nil {
		t.Fatal(err)
	}
	gate := make(chan struct{})
	say := func(i int) {
		b := number(i, 1000)
		room, err := o.Reserve(context.Background(), len(b))
		if err != nil {
			t.Fatal(err)
		}
		copy(room, b)
		o.Commit()
	}
	first := choke(t, near, gate, say)
	said := first
	for more := said + 20; said < more; said++ {
		say(said)
	}
	if err := o.Attach(next, 0); err != nil {
		t.Fatal(err)
	}
	close(gate)
	for _, c := range []struct {
		near, far *Link
		want      int
	}{{near, far, first}, {next, nextFar, said}} {
		heard := 0
		nearEnd, farEnd := serve(c.near, discard), serve(c.far, inOrder(t, &heard))
		if c.near == next {
			if err := o.Write(t.Context(), 0); err != nil {
				t.Error(err)
			}
		}
		if err := c.near.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := errors.Join(nearEnd(), farEnd()); !errors.Is(err, io.EOF) || heard != c.want {
			t.Errorf("%d messages, should be %d, then: %v", heard, c.want, err)
		}
	}
}
