package link

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// said is a message of one of several senders.
type said struct{ sender, number int }

func (s said) message(padding []byte) []byte {
	return frames(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(s.sender)), uint32(s.number)), padding)
}

// say sends the message, padded by so many octets.
func (s said) say(ctx context.Context, o *Outbox, padding int) error {
	b := s.message(make([]byte, padding))
	room, err := o.Reserve(ctx, len(b))
	if err == nil {
		copy(room, b)
		o.Commit()
	}
	return err
}

// ear collects what comes over a link.
type ear struct {
	heard []said
	wait  func() error // for the end of the link
	early bool         // the link ended before it had to
}

func listen(l *Link) *ear {
	e := &ear{}
	e.wait = serve(l, each(func(m [][]byte) error {
		e.heard = append(e.heard, said{int(binary.BigEndian.Uint32(m[0])), int(binary.BigEndian.Uint32(m[0][4:]))})
		return nil
	}))
	return e
}

// whole tells what is wrong with what came over links, one after the other, if anything:
// each message of each sender has to be there once and in order, but that some may be
// missing where a link ended early.
func whole(ears []*ear, senders, messages int) error {
	next, lossy := make([]int, senders), make([]bool, senders)
	for i, e := range ears {
		for _, m := range e.heard {
			if m.number < next[m.sender] || m.number > next[m.sender] && !lossy[m.sender] {
				return fmt.Errorf("over link %d message %d of sender %d comes, should be %d", i, m.number, m.sender, next[m.sender])
			}
			next[m.sender], lossy[m.sender] = m.number+1, false
		}
		for s := range lossy {
			lossy[s] = lossy[s] || e.early
		}
	}
	for s, n := range next {
		if n != messages && !lossy[s] {
			return fmt.Errorf("of sender %d came %d messages of %d", s, n, messages)
		}
	}
	return nil
}

// TestAttachUnderLoad moves an outbox from link to link while several send, and ends links
// in all ways, before, while and after they have it.
func TestAttachUnderLoad(t *testing.T) {
	const senders, messages = 4, 60
	seeds := 150
	if testing.Short() {
		seeds = 30
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(uint64(seed), 1))
			m := NewMemory(func(string, string) time.Duration { return time.Duration(seed%3) * 10 * time.Millisecond })
			m.Rate(func(_, _ string) int { return 10000 })
			open := func() (near, far *Link) {
				from, to := small, router
				if random.IntN(2) == 0 {
					from, to = secure(from, to)
				}
				return openOver(t, m.Host("10.0.0.1"), m.Host("10.0.0.2"), "tcp://*:*", from, to)
			}
			near, far := open()
			o, ears := near.Outbox, []*ear{listen(far)}
			nearEnds := []func() error{serve(near, discard)}
			if err := o.Attach(near); err != nil {
				t.Fatal(err)
			}
			var work sync.WaitGroup
			for sender := range senders {
				work.Go(func() {
					for number := range messages {
						if err := (said{sender, number}).say(t.Context(), o, number*7%300); err != nil {
							t.Error(err)
						}
						if number%10 == 9 {
							time.Sleep(100 * time.Millisecond)
						}
					}
				})
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			for range 8 {
				time.Sleep(time.Duration(random.IntN(1000)) * time.Millisecond)
				last := ears[len(ears)-1]
				switch random.IntN(5) {
				case 0: // while it has the outbox
					last.early = true
					near.Close()
				case 1:
					last.early = true
					far.Close()
				case 2:
					if err := near.Shutdown(ctx); err != nil && !last.early {
						t.Errorf("Shutdown: %v", err)
					}
				}
				time.Sleep(time.Duration(random.IntN(2)*random.IntN(300)) * time.Millisecond)
				left := near
				near, far = open()
				ears, nearEnds = append(ears, listen(far)), append(nearEnds, serve(near, discard))
				if random.IntN(6) == 0 { // before
					ears[len(ears)-1].early = true
					near.Close()
				}
				if err := o.Attach(near); err != nil {
					t.Fatal(err)
				}
				switch random.IntN(3) {
				case 0: // after
					last.early = true
					left.Close()
				case 1:
					work.Go(func() {
						if err := left.Shutdown(ctx); err != nil && !last.early {
							t.Errorf("Shutdown of a link that was left: %v", err)
						}
					})
				}
			}
			near, far = open()
			ears, nearEnds = append(ears, listen(far)), append(nearEnds, serve(near, discard))
			if err := o.Attach(near); err != nil {
				t.Fatal(err)
			}
			work.Wait()
			if err := o.Flush(t.Context()); err != nil {
				t.Errorf("Flush: %v", err)
			}
			m.Rate(func(_, _ string) int { return 0 })
			time.Sleep(time.Minute) // for what is under way
			for _, c := range m.open() {
				c.Close()
			}
			for i, e := range ears {
				_, _ = e.wait(), nearEnds[i]()
			}
			if err := whole(ears, senders, messages); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
		})
		if t.Failed() {
			return
		}
	}
}

// open returns our ends of the connections that stand.
func (m *Memory) open() (conns []*memoryConn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for c := range m.conns {
		conns = append(conns, c)
	}
	return conns
}

// TestAttachBetweenMechanisms moves an outbox as soon as its link has written part of what
// it had, and back again. Each link has its own security, and each message opens.
func TestAttachBetweenMechanisms(t *testing.T) {
	for name, network := range networks {
		for mechanisms := range 4 {
			t.Run(fmt.Sprint(name, mechanisms), func(t *testing.T) {
				var near, far [2]*Link
				for i := range near {
					a, b := dealer, router
					if mechanisms>>i&1 == 1 {
						a, b = secure(a, b)
					}
					a.Reserve = 1 << 30
					from, to, endpoint := network()
					near[i], far[i] = openOver(t, from, to, endpoint, a, b)
				}
				o := near[0].Outbox
				sent := []int{stuff(t, near[0], o, said{0, 0}), stuff(t, near[1], near[1].Outbox, said{1, 0})}
				for i := range 5 {
					if err := o.Attach(near[(i+1)%2]); err != nil {
						t.Fatal(err)
					}
					sent[0] = stuff(t, near[(i+1)%2], o, said{0, sent[0]})
				}
				ears, got := [2]*ear{listen(far[0]), listen(far[1])}, map[said]bool{}
				for i, l := range near {
					if err := l.settle(t.Context()); err != nil {
						t.Fatal(err)
					}
					l.hangUpInOrder(t)
					if err := ears[i].wait(); err != io.EOF {
						t.Errorf("link %d ends: %v", i, err)
					}
					last := [2]int{-1, -1}
					for _, m := range ears[i].heard {
						if m.number <= last[m.sender] || got[m] {
							t.Errorf("over link %d message %v comes after %v, or twice", i, m, last)
						}
						last[m.sender], got[m] = m.number, true
					}
				}
				if len(got) != sent[0]+sent[1] {
					t.Errorf("%d messages came of %v", len(got), sent)
				}
			})
		}
	}
}

// stuff commits messages, each apart from those before, until the link has written one in
// part, and another; or more than operating systems keep. It returns the number of the next.
func stuff(t *testing.T, l *Link, o *Outbox, next said) int {
	t.Helper()
	put := func(padding []byte) (partly bool) {
		b := next.message(padding)
		room, err := o.ReserveControl(len(b))
		if err != nil {
			t.Fatal(err)
		}
		copy(room, b)
		o.Commit()
		next.number++
		o.Locked(func() { partly = l.begun != nil })
		return partly
	}
	for range 100 {
		for apart := l.raw == nil; !apart; runtime.Gosched() {
			o.Locked(func() { apart = l.alone() || l.writing })
		}
		if put(make([]byte, 60<<10)) {
			put(nil)
			break
		}
	}
	return next.number
}

// hangUpInOrder tells the far side that nothing more comes.
func (l *Link) hangUpInOrder(t *testing.T) {
	t.Helper()
	half, ok := l.conn.(interface{ CloseWrite() error })
	if !ok { // the far side sees the end of the connection all the same
		half = closer{l}
	}
	if err := half.CloseWrite(); err != nil {
		t.Error(err)
	}
}

type closer struct{ *Link }

func (c closer) CloseWrite() error { return c.Close() }

// TestAttachKeepsTurns has senders wait through the end of their link and a link that had
// ended already: they are served in the order in which they came.
func TestAttachKeepsTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := openRaw(t, small)
		o := l.Outbox
		if err := o.Attach(l); err != nil {
			t.Fatal(err)
		}
		first := len(fill(t, l, 100))
		var order []int // guarded by the outbox
		wait := func(i int) {
			if _, err := o.Reserve(t.Context(), 500); err != nil {
				t.Errorf("sender %d: %v", i, err)
				return
			}
			order = append(order, i)
			o.Commit()
		}
		for i := range 4 {
			go wait(i)
			synctest.Wait()
		}
		l.Close() // what it had begun is lost, and makes room
		synctest.Wait()
		if err := o.Attach(Ended()); err != nil {
			t.Fatal(err)
		}
		go wait(4)
		synctest.Wait()
		waits, ahead := o.Queued(), 0
		if o.Locked(func() { ahead = len(order) }); waits == 0 || waits >= first+4*500 || ahead == 4 {
			t.Fatalf("%d octets wait without a link, and %d senders do not", waits, ahead)
		}
		next, far := openRaw(t, small)
		if err := o.Attach(next); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(far, make([]byte, waits+(5-ahead)*500)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if fmt.Sprint(order) != "[0 1 2 3 4]" || o.Queued() > 0 {
			t.Errorf("served in the order %v, %d octets wait", order, o.Queued())
		}
	})
}

// TestAttachWakes moves an outbox of which all that is queued is being written: who waits
// for room has it, Flush has nothing to wait for, and the old link ends when it has written
// that.
func TestAttachWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, far := openRaw(t, small)
		o := l.Outbox
		if err := o.Attach(l); err != nil {
			t.Fatal(err)
		}
		if err := send(t.Context(), l, make([]byte, 2*memoryBuffer)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // until it is being written
		ends := make(chan error, 2)
		go func() { ends <- send(t.Context(), l, make([]byte, 10)) }()
		go func() { ends <- o.Flush(t.Context()) }()
		shut := make(chan error, 1)
		go func() { shut <- l.Shutdown(t.Context()) }()
		synctest.Wait()
		to, _ := openRaw(t, small)
		if err := o.Attach(to); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for range 2 {
			select {
			case err := <-ends:
				if err != nil {
					t.Error(err)
				}
			default:
				t.Fatal("who waits still waits")
			}
		}
		if _, err := io.ReadFull(far, make([]byte, 2*memoryBuffer)); err != nil {
			t.Fatal(err)
		}
		if err := <-shut; err != nil {
			t.Errorf("Shutdown of the old link: %v", err)
		}
	})
}

// TestAttachAfterWhatWasSaid says something over a link before an outbox is attached to it:
// that goes first, though it waits as well, and who waits to say more is told to go.
func TestAttachAfterWhatWasSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := openRaw(t, small)
		o := l.Outbox
		waits := fill(t, l, 100)
		waits = waits[len(waits)-900:] // what comes before is being written
		to, far := openRaw(t, small)
		own := fill(t, to, 100)
		ends := make(chan error, 2)
		go func() { ends <- send(t.Context(), to, make([]byte, 100)) }()
		go func() { ends <- to.Flush(t.Context()) }()
		late := frames([]byte("late"))
		synctest.Wait()
		if err := o.Attach(to); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := <-ends; !errors.Is(err, ErrClosed) {
				t.Errorf("in the outbox that was there before: %v", err)
			}
		}
		if o.Queued() != len(waits) {
			t.Errorf("%d octets are queued, should be %d", o.Queued(), len(waits))
		}
		if _, err := to.TryReserve(1); !errors.Is(err, ErrClosed) {
			t.Errorf("the outbox that was there before takes: %v", err)
		}
		if err := send(t.Context(), l, late); err != nil { // whose outbox it was
			t.Error(err)
		}
		go func() { ends <- o.Flush(t.Context()) }()
		synctest.Wait()
		got, want := make([]byte, len(own)+len(waits)+len(late)), slices.Concat(own, waits, late)
		if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("what was there before does not go first: %v", err)
		}
		if err := <-ends; err != nil {
			t.Error(err)
		}
	})
}

// TestAttachAfterTheEnd tries to save an outbox that has ended with its link.
func TestAttachAfterTheEnd(t *testing.T) {
	near, _ := openPair(t, dealer, router)
	to, far := openPair(t, dealer, router)
	near.Close()
	if err := near.Outbox.Attach(to); !errors.Is(err, ErrClosed) {
		t.Errorf("Attach: %v", err)
	}
	if err := send(t.Context(), to, number(1, 0)); err != nil {
		t.Errorf("the link that it did not come to: %v", err)
	}
	if err := far.Serve(each(func([][]byte) error { return errEnough })); !errors.Is(err, errEnough) {
		t.Error(err)
	}
}

// TestLinkWithoutItsOutbox has an outbox leave a link, and another discarded: both links
// answer PINGs still, and end in good order.
func TestLinkWithoutItsOutbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pings := router
		pings.Heartbeat = time.Second
		open := func() (near, far *Link) {
			m := NewMemory(nil)
			return openOver(t, m.Host("10.0.0.1"), m.Host("10.0.0.2"), "tcp://*:*", dealer, pings)
		}
		left, leftFar := open()
		near, far := open()
		o := left.Outbox
		if err := o.Attach(near); err != nil {
			t.Fatal(err)
		}
		o.Discard()
		if err := send(t.Context(), left, number(1, 0)); !errors.Is(err, ErrClosed) {
			t.Errorf("an outbox that was discarded takes: %v", err)
		}
		if err := o.Flush(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("Flush: %v", err)
		}
		ends := []func() error{serve(leftFar, discard), serve(far, discard)}
		for _, l := range []*Link{left, near} {
			serve(l, discard)
		}
		time.Sleep(time.Hour)
		for i, l := range []*Link{left, near} {
			if err := l.Shutdown(t.Context()); err != nil {
				t.Errorf("link %d: Shutdown: %v", i, err)
			}
			if err := ends[i](); err != io.EOF {
				t.Errorf("link %d ended: %v", i, err)
			}
		}
	})
}

// TestDiscardWakesAll has all that waits on an outbox without a link end.
func TestDiscardWakesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := openRaw(t, small)
		o := l.Outbox
		if err := o.Attach(Ended()); err != nil {
			t.Fatal(err)
		}
		fill(t, l, 100)
		ends := make(chan error, 3)
		for range 2 {
			go func() { ends <- send(t.Context(), l, make([]byte, 500)) }()
		}
		go func() { ends <- o.Flush(t.Context()) }()
		synctest.Wait()
		o.Discard()
		for range 3 {
			if err := <-ends; !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		}
		if o.Queued() != 0 || o.out != nil || o.spare != nil {
			t.Errorf("%d octets wait", o.Queued())
		}
	})
}

// TestTakenOnlyGrows asks an outbox for what the far side has taken, over moves between
// networks that tell and networks that do not.
func TestTakenOnlyGrows(t *testing.T) {
	near, far := openPair(t, dealer, router)
	o, last := near.Outbox, uint64(0)
	for round := range 6 {
		wait := serve(far, each(func([][]byte) error { return errEnough }))
		if err := send(t.Context(), near, number(round, 1000)); err != nil {
			t.Fatal(err)
		}
		if err := wait(); !errors.Is(err, errEnough) {
			t.Fatal(err)
		}
		now, _ := o.Taken()
		if round > 0 && now < last {
			t.Errorf("round %d: %d octets after %d", round, now, last)
		}
		last = now
		from, to, endpoint := networks[[]string{"TCP", "veiled", "memory"}[round%3]]()
		var next *Link
		next, far = openOver(t, from, to, endpoint, dealer, router)
		if err := o.Attach(next); err != nil {
			t.Fatal(err)
		}
		if now, _ := o.Taken(); now < last || now > last+2000 {
			t.Errorf("round %d: %d octets after %d with another link", round, now, last)
		}
	}
}
