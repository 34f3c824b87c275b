package linktest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/sjohnr/at-once/src/link"
)

// errEnough ends a link that has delivered what the test wanted.
var errEnough = errors.New("enough")

// shapes sends messages around every limit of ZMTP's framing there and back.
func shapes(t *testing.T, e ends) {
	var messages [][][]byte
	for _, sizes := range [][]int{{0}, {1}, {255}, {256}, {0, 0, 0}, {6, 64}, {65535, 65536, 65537}, {6, 5*mebibyte + 1}, {mebibyte, 0, mebibyte, 3}, make([]int, 1000)} {
		var message [][]byte
		for i, size := range sizes {
			message = append(message, bytes.Repeat([]byte{byte(size), byte(i), 0x5A}, size/3+1)[:size])
		}
		messages = append(messages, message)
	}
	serve(t, e.far, func(m [][]byte) error { return send(e.far, m...) })
	same := make(chan bool, 1)
	sent := 0
	serve(t, e.near, func(m [][]byte) error {
		same <- slices.EqualFunc(m, messages[sent], bytes.Equal)
		return nil
	})
	for ; sent < len(messages); sent++ {
		if err := send(e.near, messages[sent]...); err != nil {
			t.Fatal(err)
		}
		select {
		case ok := <-same:
			if !ok {
				t.Errorf("shape %d comes back changed", sent)
			}
		case <-time.After(patience):
			t.Fatalf("shape %d does not come back", sent)
		}
	}
}

func number(i int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(i)) }

// count returns what takes messages that begin with their number, and fails for one
// that does not come in turn.
func count(all int) func([][]byte) error {
	next := 0
	return func(m [][]byte) error {
		if got := binary.BigEndian.Uint32(m[0]); got != uint32(next) {
			return fmt.Errorf("message %d in place of %d", got, next)
		}
		if next++; next == all {
			return errEnough
		}
		return nil
	}
}

// order sends many small messages, both ways at once.
func order(t *testing.T, e ends) {
	const all = 100_000
	way := func(from, to *link.Link) func() error {
		received := make(chan error, 1)
		take := count(all)
		serve(t, to, func(m [][]byte) error {
			if err := take(m); err != nil {
				received <- err
			}
			return nil
		})
		return func() error {
			for i := range all {
				if err := send(from, number(i), []byte("some content")); err != nil {
					return err
				}
			}
			select {
			case err := <-received:
				return err
			case <-time.After(patience):
				return errors.New("messages are missing")
			}
		}
	}
	there, back := way(e.near, e.far), way(e.far, e.near)
	result := make(chan error, 1)
	go func() { result <- there() }()
	if err := back(); !errors.Is(err, errEnough) {
		t.Errorf("back: %v", err)
	}
	if err := <-result; !errors.Is(err, errEnough) {
		t.Errorf("there: %v", err)
	}
}

// fill sends until there is no room, and returns how many messages that took.
func fill(t *testing.T, l *link.Link) int {
	t.Helper()
	const most = 128 * mebibyte / len(chunk{})
	for i := range most {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		err := sendWithin(ctx, l, number(i), make([]byte, len(chunk{})))
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return i
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatalf("%d messages wait for one who does not read", most)
	return 0
}

type chunk [64 << 10]byte

// backPressure holds up a sender, either one, while the other side does not read, and
// loses nothing.
func backPressure(t *testing.T, e ends) {
	for _, way := range []struct{ from, to *link.Link }{{e.near, e.far}, {e.far, e.near}} {
		all := fill(t, way.from)
		t.Logf("%d messages of %d octets are under way", all, len(chunk{}))
		received := make(chan error, 1)
		take := count(all)
		serve(t, way.to, func(m [][]byte) error {
			if err := take(m); err != nil {
				received <- err
			}
			return nil
		})
		select {
		case err := <-received:
			if !errors.Is(err, errEnough) {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Fatal("messages are missing")
		}
	}
}

// blocked ends links whose senders wait.
func blocked(t *testing.T, e ends) {
	fill(t, e.near)
	fill(t, e.far)
	ended := make(chan error, 2)
	for _, l := range []*link.Link{e.near, e.far} {
		go func() {
			for {
				if err := send(l, make([]byte, len(chunk{}))); err != nil {
					ended <- err
					return
				}
			}
		}()
	}
	if err := e.near.Close(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := <-ended; !errors.Is(err, link.ErrClosed) {
			t.Errorf("a sender that waited: %v", err)
		}
	}
}

// closing closes a link from one side, which the other notices.
func closing(t *testing.T, e ends) {
	first, second := e.near, e.far
	wait, noticed := serve(t, first, discard), serve(t, second, discard)
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if err := wait(); !errors.Is(err, link.ErrClosed) {
		t.Errorf("Serve of who closes: %v", err)
	}
	if err := noticed(); err == nil || errors.Is(err, link.ErrClosed) {
		t.Errorf("Serve of the other: %v", err)
	}
	for _, l := range []*link.Link{first, second} {
		if err := l.Close(); err != nil {
			t.Errorf("closing again: %v", err)
		}
	}
	if err := send(second, nil); !errors.Is(err, link.ErrClosed) {
		t.Errorf("sending to nobody: %v", err)
	}
}

// shutdown loses nothing of what was sent before.
func shutdown(t *testing.T, e ends) {
	const all = 500
	got := 0
	wait := serve(t, e.far, func(m [][]byte) error {
		if n := int(binary.BigEndian.Uint32(m[0])); n != got {
			return fmt.Errorf("message %d in place of %d", n, got)
		}
		got++
		return nil
	})
	serve(t, e.near, discard)
	for i := range all {
		if err := send(e.near, number(i), make([]byte, 100*i)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := e.near.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if err := wait(); err != io.EOF || got != all {
		t.Errorf("%v after %d messages of %d", err, got, all)
	}
}
