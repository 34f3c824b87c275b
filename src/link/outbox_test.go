package link

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/src/zmtp"
)

// small has an outbox that a few messages fill.
var small = Config{Type: zmtp.Dealer, Outbox: 1000, Reserve: 200}

// fill commits octets without waiting until the outbox is full, and returns them.
func fill(t *testing.T, l *Link, piece int) (octets []byte) {
	t.Helper()
	for i := 0; ; i++ {
		b, err := l.TryReserve(piece)
		if errors.Is(err, ErrWouldBlock) {
			return octets
		} else if err != nil {
			t.Fatal(err)
		}
		for j := range b {
			b[j] = byte(i + j)
		}
		octets = append(octets, b...)
		l.Commit()
		synctest.Wait()
	}
}

// A full outbox refuses who will not wait, has room left for control messages
// until that is full as well, and goes on when the far side reads. Everything
// arrives once and in order.
func TestOutboxFills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, far := openRaw(t, small)
		want := fill(t, l, 100)
		if l.Queued() != 1000 {
			t.Errorf("%d octets queued, want 1000", l.Queued())
		}
		control := 0
		for ; ; control++ {
			b, err := l.ReserveControl(50)
			if errors.Is(err, ErrOverflow) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			want = append(want, bytes.Repeat([]byte{0xcc}, copy(b, bytes.Repeat([]byte{0xcc}, 50)))...)
			l.Commit()
		}
		if control != 4 || l.Queued() != 1200 {
			t.Errorf("room for %d control messages and %d octets", control, l.Queued())
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("what arrives is not what was sent: %v", err)
		}
		synctest.Wait()
		if _, err := l.TryReserve(1000); err != nil {
			t.Errorf("no room though the far side has read: %v", err)
		}
		l.Commit()
	})
}

// Who waits for room is served in the order of coming, and nobody overtakes, not
// even with a message that would fit.
func TestReserveIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, far := openRaw(t, small)
		before := len(fill(t, l, 100))
		var order []int
		for i, size := range []int{900, 5000, 1, 300} {
			go func() {
				b, err := l.Reserve(t.Context(), size)
				if err != nil {
					t.Error(err)
					return
				}
				order = append(order, i)
				b[0] = byte(i)
				l.Commit()
			}()
			synctest.Wait()
		}
		if _, err := l.TryReserve(1); !errors.Is(err, ErrWouldBlock) {
			t.Errorf("TryReserve overtakes: %v", err)
		}
		if _, err := io.ReadFull(far, make([]byte, before+900+5000+1+300)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(order) != 4 || order[0] != 0 || order[1] != 1 || order[2] != 2 || order[3] != 3 {
			t.Errorf("served in the order %v", order)
		}
	})
}

// Waiting ends with the context; who waits behind is not forgotten.
func TestReserveCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, far := openRaw(t, small)
		before := len(fill(t, l, 100))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		results := make(chan error, 2)
		for _, c := range []context.Context{ctx, ctx, t.Context()} {
			go func() {
				err := send(c, l, make([]byte, 500))
				results <- err
			}()
			synctest.Wait()
		}
		for range 2 {
			if err := <-results; !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("waited for room: %v", err)
			}
		}
		if _, err := io.ReadFull(far, make([]byte, before)); err != nil {
			t.Fatal(err)
		}
		if err := <-results; err != nil {
			t.Errorf("the third one: %v", err)
		}
		if err := send(ctx, l, make([]byte, 10)); err != nil {
			t.Errorf("a context that has ended matters though there is room: %v", err)
		}
	})
}

// A message larger than the outbox goes when nothing else is queued, and leaves
// room for control messages.
func TestLargerThanOutbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, far := openRaw(t, small)
		if err := send(t.Context(), l, make([]byte, 2*memoryBuffer)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := l.TryReserve(1); !errors.Is(err, ErrWouldBlock) {
			t.Errorf("there is room beside it: %v", err)
		}
		if _, err := l.ReserveControl(200); err != nil {
			t.Errorf("no room for control messages: %v", err)
		}
		l.Commit()
		if _, err := l.ReserveControl(1); !errors.Is(err, ErrOverflow) {
			t.Errorf("too much room for control messages: %v", err)
		}
		if _, err := io.ReadFull(far, make([]byte, 2*memoryBuffer+200)); err != nil {
			t.Fatal(err)
		}
		if err := send(t.Context(), l, make([]byte, 1000)); err != nil {
			t.Error(err)
		}
	})
}

func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, far := openRaw(t, small)
		if err := l.Flush(t.Context()); err != nil {
			t.Errorf("with nothing queued: %v", err)
		}
		before := len(fill(t, l, 100))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := l.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while the far side does not read: %v", err)
		}
		flushed := make(chan error, 1)
		go func() { flushed <- l.Flush(t.Context()) }()
		synctest.Wait()
		if _, err := io.ReadFull(far, make([]byte, before)); err != nil {
			t.Fatal(err)
		}
		if err := <-flushed; err != nil || l.Queued() != 0 {
			t.Errorf("%v, %d octets queued", err, l.Queued())
		}
	})
}

// All that waits on a link ends when it is closed, though the far side is stuck.
func TestCloseWakesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := openRaw(t, small)
		fill(t, l, 100)
		waiting := map[string]func() error{
			"Reserve": func() error { return send(t.Context(), l, make([]byte, 500)) },
			"behind":  func() error { return send(t.Context(), l, make([]byte, 500)) },
			"Flush":   func() error { return l.Flush(t.Context()) },
			"Serve":   func() error { return l.Serve(discard) },
		}
		type end struct {
			name string
			err  error
		}
		ends := make(chan end, len(waiting))
		for name, wait := range waiting {
			go func() { ends <- end{name, wait()} }()
		}
		synctest.Wait()
		start := time.Now()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		for range waiting {
			if e := <-ends; !errors.Is(e.err, ErrClosed) {
				t.Errorf("%s: %v", e.name, e.err)
			}
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("took %v", took)
		}
	})
}

// After the network failed nothing is sent, and the error says why.
func TestSendAfterFailure(t *testing.T) {
	onEach(t, dealer, router, func(t *testing.T, near, far *Link) {
		wait := serve(near, discard)
		if err := far.Close(); err != nil {
			t.Fatal(err)
		}
		err := wait()
		if _, err2 := near.Reserve(t.Context(), 1); !errors.Is(err2, ErrClosed) || !errors.Is(err2, err) {
			t.Errorf("Reserve: %v, want what ended Serve: %v", err2, err)
		}
	})
}

// A pause ends the burst: the next message is written by its sender, and nothing
// is left behind when the system takes only part of it.
func TestDirectWriteIsContinued(t *testing.T) {
	near, far := openPair(t, dealer, router)
	const size = 8 << 20
	sent := make(chan error, 1)
	go func() {
		sent <- send(t.Context(), near, frames(make([]byte, size), binary.BigEndian.AppendUint32(nil, 7)))
	}()
	err := far.Serve(each(func(m [][]byte) error {
		if len(m[0]) != size || binary.BigEndian.Uint32(m[1]) != 7 {
			t.Error("message is damaged")
		}
		return errEnough
	}))
	if !errors.Is(err, errEnough) || <-sent != nil {
		t.Error(err)
	}
}

// TestShutdownTellsWhoWaits has senders wait for room in an outbox that the far side does
// not take from: they are told of the end at once, whoever is next, and not when the queue
// gets shorter.
func TestShutdownTellsWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := openRaw(t, small)
		fill(t, l, 100)
		queued := l.Queued()
		ends := make(chan error, 3)
		for range cap(ends) {
			go func() { ends <- send(t.Context(), l, make([]byte, 500)) }()
		}
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		shut := make(chan error, 1)
		go func() { shut <- l.Shutdown(ctx) }()
		synctest.Wait()
		for range cap(ends) {
			select {
			case err := <-ends:
				if !errors.Is(err, ErrClosed) {
					t.Error(err)
				}
			default:
				t.Fatal("who waits still waits")
			}
		}
		if l.Queued() != queued {
			t.Errorf("%d octets are queued, should be %d", l.Queued(), queued)
		}
		cancel()
		if err := <-shut; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// TestCancel gives back room: nothing of it goes out, and what is said before and after does.
func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, far := openRaw(t, small)
		var want []byte
		for i := range 20 {
			b, err := l.Reserve(t.Context(), 900)
			if err != nil {
				t.Fatal(err)
			}
			if i%2 == 0 {
				l.Cancel(b)
				continue
			}
			want = append(want, bytes.Repeat([]byte{byte(i)}, copy(b, bytes.Repeat([]byte{byte(i)}, 900)))...)
			l.Commit()
			got := make([]byte, 900)
			if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, want[len(want)-900:]) {
				t.Fatalf("message %d: %v", i, err)
			}
		}
		synctest.Wait()
		if l.Queued() != 0 || l.first != nil {
			t.Errorf("%d octets are left", l.Queued())
		}
	})
}
