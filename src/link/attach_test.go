package link

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/src/zmtp"
)

// conversation is one outbox and the far side of all links that it has had: each message
// over a link has a position, and what is not the next is dropped.
type conversation struct {
	*Outbox
	mu       sync.Mutex
	news     sync.Cond // something has come
	expected uint64    // the position of the next message
	heard    [][]int   // by sender, the numbers of its messages
	again    int       // messages that came again
	fault    error
	ends     []func() error
}

func newConversation(c Config, senders int) *conversation {
	o := &conversation{Outbox: granted(c), heard: make([][]int, senders)}
	o.news.L = &o.mu
	return o
}

// over has the conversation go on over another link.
func (c *conversation) over(t *testing.T, near, far *Link) {
	t.Helper()
	position := uint64(0)
	c.ends = append(c.ends, serve(near, discard), serve(far, each(func(m [][]byte) error {
		if len(m) == 1 {
			position = binary.BigEndian.Uint64(m[0])
			return nil
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		at := position
		for _, frame := range m {
			position += uint64(zmtp.FrameSize(len(frame)))
		}
		switch sender, number := binary.BigEndian.Uint32(m[0]), binary.BigEndian.Uint32(m[0][4:]); {
		case at > c.expected && c.fault == nil:
			c.fault = fmt.Errorf("position %d comes, should be %d", at, c.expected)
		case at < c.expected:
			c.again++
		case at == c.expected:
			c.expected = position
			c.heard[sender] = append(c.heard[sender], int(number))
			c.news.Broadcast()
		}
		return nil
	})))
	c.begin(t, near)
}

// begin has the conversation go on over a link of which the far side is read.
func (c *conversation) begin(t *testing.T, near *Link) {
	t.Helper()
	c.mu.Lock()
	from := c.expected
	c.mu.Unlock()
	if err := near.Say(frames(binary.BigEndian.AppendUint64(nil, from))); err != nil && !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	if err := c.Attach(near, from); err != nil {
		t.Fatal(err)
	}
}

// say sends a message of a sender, padded by so many octets.
func (c *conversation) say(ctx context.Context, sender, number, padding int) error {
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(sender)), uint32(number))
	b := frames(head, make([]byte, padding))
	room, err := c.Reserve(ctx, len(b))
	if err == nil {
		copy(room, b)
		c.Commit()
	}
	return err
}

// acknowledge lets go of what has come.
func (c *conversation) acknowledge(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.Acknowledge(c.expected); err != nil {
		t.Errorf("acknowledge %d: %v", c.expected, err)
	}
}

// whole tells what is wrong with what came, if anything: each message of each sender has to
// be there once and in order.
func (c *conversation) whole(messages int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for sender, numbers := range c.heard {
		for i, number := range numbers {
			if i != number {
				return fmt.Errorf("message %d of sender %d comes, should be %d", number, sender, i)
			}
		}
		if len(numbers) != messages {
			return fmt.Errorf("of sender %d came %d messages of %d", sender, len(numbers), messages)
		}
	}
	return c.fault
}

// TestOnceOverManyLinks moves an outbox from link to link while several send, ends links in
// all ways, before, while and after they have it, and acknowledges now and then, also what
// is being written again.
func TestOnceOverManyLinks(t *testing.T) {
	const senders, messages = 4, 60
	seeds, again := 150, 0
	if testing.Short() {
		seeds = 30
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(uint64(seed), 1))
			m := NewMemory(func(string, string) time.Duration { return time.Duration(seed%3) * 10 * time.Millisecond })
			m.Rate(func(_, _ string) int { return 10000 })
			open := func() (near, far *Link) {
				from, to := dealer, router
				if random.IntN(2) == 0 {
					from, to = secure(from, to)
				}
				return openOver(t, m.Host("10.0.0.1"), m.Host("10.0.0.2"), "tcp://*:*", from, to)
			}
			c := newConversation(small, senders)
			var work sync.WaitGroup
			for sender := range senders {
				work.Go(func() {
					for number := range messages {
						if err := c.say(t.Context(), sender, number, number*7%300); err != nil {
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
			var had []*Link
			for range 10 {
				near, far := open()
				if random.IntN(6) == 0 {
					near.Close()
				}
				c.over(t, near, far)
				if had = append(had, near); random.IntN(4) == 0 {
					time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
					c.begin(t, had[random.IntN(len(had))])
				}
				for range 3 {
					time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
					if random.IntN(2) == 0 {
						c.acknowledge(t)
					}
				}
				switch random.IntN(5) {
				case 0:
					near.Close()
				case 1:
					far.Close()
				case 2:
					work.Go(func() { _ = near.Shutdown(ctx) }) // which may fail: the far side may have ended
				}
			}
			m.Rate(func(_, _ string) int { return 0 })
			near, far := open()
			c.over(t, near, far)
			for c.Queued() > 0 || !c.full(messages) {
				time.Sleep(time.Second)
				c.acknowledge(t)
			}
			work.Wait()
			if err := c.Flush(t.Context()); err != nil || c.first != nil {
				t.Errorf("Flush: %v", err)
			}
			for _, conn := range m.open() {
				conn.Close()
			}
			for _, end := range c.ends {
				_ = end()
			}
			if err := c.whole(messages); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
			again += c.again
		})
		if t.Failed() {
			return
		}
	}
	if again == 0 {
		t.Error("nothing came again")
	}
}

// full tells whether all messages have come.
func (c *conversation) full(messages int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, numbers := range c.heard {
		if len(numbers) < messages {
			return false
		}
	}
	return true
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

// TestMoveOfWhatIsBeingWritten moves an outbox whose link has written part of what it had,
// and goes on with that. What the new link takes is let go of, and other messages take its
// place: over the old link comes what was said there all the same.
func TestMoveOfWhatIsBeingWritten(t *testing.T) {
	for name, network := range networks {
		for mechanisms := range 4 {
			t.Run(fmt.Sprint(name, mechanisms), func(t *testing.T) {
				var near, far [2]*Link
				for i := range near {
					a, b := dealer, router
					if mechanisms>>i&1 == 1 {
						a, b = secure(a, b)
					}
					from, to, endpoint := network()
					near[i], far[i] = openOver(t, from, to, endpoint, a, b)
				}
				c := newConversation(Config{Outbox: 32 << 20}, 2)
				if err := c.Attach(near[0], 0); err != nil {
					t.Fatal(err)
				}
				const messages = 100 // more octets than operating systems keep
				for number := range messages {
					if err := c.say(t.Context(), 0, number, 100<<10); err != nil {
						t.Fatal(err)
					}
				}
				for begun := false; !begun; runtime.Gosched() {
					c.Locked(func() { begun = c.high > 0 })
				}
				c.over(t, near[1], far[1])
				c.await(t, 0, messages)
				for number := range messages {
					if err := c.say(t.Context(), 1, number, 100<<10); err != nil {
						t.Fatal(err)
					}
				}
				came := 0
				wait := serve(far[0], each(func(m [][]byte) error {
					if sender := binary.BigEndian.Uint32(m[0]); sender != 0 || binary.BigEndian.Uint32(m[0][4:]) != uint32(came) {
						return fmt.Errorf("of sender %d", sender)
					}
					came++
					return nil
				}))
				if err := near[0].Shutdown(t.Context()); err != nil && !errors.Is(err, ErrClosed) {
					t.Errorf("Shutdown of the old link: %v", err)
				}
				if err := wait(); err != io.EOF || came == 0 || came == messages {
					t.Errorf("over the old link came %d messages, and then: %v", came, err)
				}
				c.await(t, 1, messages)
				if err := c.whole(messages); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// await waits until so many messages of a sender have come, and acknowledges each.
func (c *conversation) await(t *testing.T, sender, messages int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for ; len(c.heard[sender]) < messages; c.news.Wait() {
		if err := c.Acknowledge(c.expected); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Acknowledge(c.expected); err != nil {
		t.Error(err)
	}
}

// TestPositions refuses positions that an outbox does not have.
func TestPositions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := func() *Link { l, _ := openRaw(t, small); return l }
		o := granted(small)
		say := func() {
			b, err := o.Reserve(t.Context(), 100)
			if err != nil {
				t.Fatal(err)
			}
			copy(b, frames(make([]byte, 98)))
			o.Commit()
			synctest.Wait()
		}
		say()
		if err := o.Acknowledge(1); !errors.Is(err, ErrPosition) {
			t.Errorf("acknowledged before it was written: %v", err)
		}
		if err := o.Attach(open(), 100); !errors.Is(err, ErrPosition) {
			t.Errorf("begins after what was never written: %v", err)
		}
		if err := o.Attach(open(), 0); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		say()
		for _, to := range []uint64{100, 50, 100} { // late ones change nothing
			if err := o.Acknowledge(to); err != nil || o.Queued() != 100 {
				t.Errorf("acknowledge %d: %v, %d octets are there", to, err, o.Queued())
			}
		}
		for _, from := range []uint64{0, 99, 201} {
			if err := o.Attach(open(), from); !errors.Is(err, ErrPosition) {
				t.Errorf("begins at %d: %v", from, err)
			}
		}
		if err := o.Attach(open(), 100); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if err := o.Acknowledge(201); !errors.Is(err, ErrPosition) {
			t.Errorf("acknowledged what was never said: %v", err)
		}
		if err := o.Acknowledge(200); err != nil || o.Queued() != 0 {
			t.Errorf("%v, %d octets are there", err, o.Queued())
		}
		o.Discard()
		if err := o.Attach(open(), 200); !errors.Is(err, ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// TestResumeWhileAcknowledged has an acknowledgement come while an outbox moves: it goes on
// where it has said to.
func TestResumeWhileAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := func() *Link { l, _ := openRaw(t, small); return l }
		o := granted(small)
		for range 2 {
			b, err := o.Reserve(t.Context(), 100)
			if err != nil {
				t.Fatal(err)
			}
			copy(b, frames(make([]byte, 98)))
			o.Commit()
		}
		if err := o.Attach(open(), 0); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := o.Acknowledge(100); err != nil {
			t.Fatal(err)
		}
		late := make(chan error, 1)
		if err := o.Resume(open(), func(from uint64) {
			if from != 100 {
				t.Errorf("goes on at %d", from)
			}
			go func() { late <- o.Acknowledge(200) }()
		}); err != nil {
			t.Errorf("does not go on: %v", err)
		}
		if err := <-late; err != nil {
			t.Error(err)
		}
		o.Discard()
	})
}

// TestWithoutLink has what is said wait for a link, which ends at once, and for the next:
// those who wait for room keep their turns.
func TestWithoutLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConversation(small, 4)
		order := make(chan int, 4)
		for i := range cap(order) {
			go func() {
				if err := c.say(t.Context(), i, 0, 600); err != nil {
					t.Error(err)
				}
				order <- i
			}()
			synctest.Wait()
		}
		m := NewMemory(nil)
		for i := range 2 {
			near, far := openOver(t, m.Host("10.0.0.1"), m.Host("10.0.0.2"), "tcp://*:*", dealer, router)
			if i == 0 {
				near.Close()
			}
			c.over(t, near, far)
			synctest.Wait()
		}
		for i := range cap(order) {
			if got := <-order; got != i {
				t.Errorf("sender %d has its turn, should be %d", got, i)
			}
			synctest.Wait()
			c.acknowledge(t)
		}
		if err := c.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		if err := c.whole(1); err != nil {
			t.Error(err)
		}
	})
}

// TestSayGoesFirst says something over a link before and after an outbox is attached to it,
// while the link is stuck: what the link says itself goes before what waits, and is bounded.
func TestSayGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, far := openRaw(t, small)
		first, second := frames([]byte("first")), frames([]byte("second"))
		o := granted(small)
		stuck := frames(make([]byte, 2*memoryBuffer))
		late := frames(make([]byte, 300))
		put := func(b []byte) {
			room, err := o.ReserveControl(len(b))
			if err != nil {
				t.Fatal(err)
			}
			copy(room, b)
			o.Commit()
			synctest.Wait()
		}
		if err := l.Say(first); err != nil {
			t.Error(err)
		}
		o.most = 1 << 20
		put(stuck)
		if err := o.Attach(l, 0); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		put(late)
		said := 0
		for ; ; said++ {
			if err := l.Say(second); errors.Is(err, ErrOverflow) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if said != 200/len(second) {
			t.Errorf("room for %d messages of the link", said)
		}
		want := bytes.Join([][]byte{first, stuck, bytes.Repeat(second, said), late}, nil)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("comes in another order: %v", err)
		}
		l.Close()
		synctest.Wait()
		if err := l.Say(first); !errors.Is(err, ErrClosed) {
			t.Errorf("says more after its end: %v", err)
		}
	})
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
		o := granted(dealer)
		for _, l := range []*Link{left, near} {
			if err := o.Attach(l, 0); err != nil {
				t.Fatal(err)
			}
			if err := send(t.Context(), l, number(1, 0)); !errors.Is(err, ErrClosed) {
				t.Errorf("the outbox that the link was opened with takes: %v", err)
			}
		}
		o.Discard()
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

// TestShut has an outbox take nothing any more while somebody waits for room.
func TestShut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := granted(small)
		say := func() error {
			b, err := o.Reserve(t.Context(), small.Outbox)
			if err == nil {
				copy(b, frames(make([]byte, len(b)-9)))
				o.Commit()
			}
			return err
		}
		if err := say(); err != nil {
			t.Fatal(err)
		}
		waits := make(chan error)
		go func() { waits <- say() }()
		synctest.Wait()
		o.Shut()
		for _, err := range []error{<-waits, say()} {
			if !errors.Is(err, ErrClosed) {
				t.Errorf("takes more: %v", err)
			}
		}
		if o.Queued() != small.Outbox {
			t.Errorf("%d octets are left", o.Queued())
		}
		o.Discard()
	})
}

// TestDiscardWakesAll has all that waits on an outbox without a link end.
func TestDiscardWakesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConversation(small, 1)
		if err := c.say(t.Context(), 0, 0, 700); err != nil {
			t.Fatal(err)
		}
		ends := make(chan error, 3)
		for range 2 {
			go func() { ends <- c.say(t.Context(), 0, 1, 500) }()
		}
		go func() { ends <- c.Flush(t.Context()) }()
		synctest.Wait()
		c.Discard()
		for range 3 {
			if err := <-ends; !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		}
		if c.Queued() != 0 || c.first != nil {
			t.Errorf("%d octets wait", c.Queued())
		}
	})
}

// granted returns an outbox that outlives links and may write all that it has.
func granted(c Config) *Outbox {
	o := NewOutbox(c)
	o.Grant(math.MaxUint64)
	return o
}

// TestEdge has an outbox write what begins below its edge, and no more until that moves.
func TestEdge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, far := openRaw(t, small)
		o := NewOutbox(small)
		if err := o.Attach(l, 0); err != nil {
			t.Fatal(err)
		}
		came := 0
		go func() {
			for b := make([]byte, 64); ; {
				n, err := far.Read(b)
				if came += n; err != nil {
					return
				}
			}
		}()
		for _, step := range []struct {
			say  bool
			edge uint64
			want int
		}{{true, 0, 0}, {false, 1, 10}, {true, 10, 10}, {false, 11, 20}, {true, 3, 20}, {false, 21, 30}} {
			if step.say {
				room, err := o.TryReserve(10)
				if err != nil {
					t.Fatal(err)
				}
				copy(room, frames(make([]byte, 8)))
				o.Commit()
			}
			o.Grant(step.edge)
			if synctest.Wait(); came != step.want {
				t.Errorf("at the edge %d there came %d octets, want %d", step.edge, came, step.want)
			}
		}
		l.Close()
		_ = far.Close()
	})
}
