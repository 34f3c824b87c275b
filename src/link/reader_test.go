package link

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/src/zmtp"
)

// ping encodes a PING.
func ping(ttl time.Duration, context string) []byte {
	tenths := ttl / (time.Second / 10)
	return zmtp.AppendCommand(nil, zmtp.Ping, append([]byte{byte(tenths >> 8), byte(tenths)}, context...))
}

// Messages are the same in whatever pieces they come.
func TestPieces(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var octets []byte
	var want [][]byte
	for i := range 300 {
		want = append(want, bytes.Repeat([]byte{byte(i)}, random.IntN(1<<random.IntN(14))))
		octets = append(octets, frames([]byte("head"), want[i])...)
	}
	for name, piece := range map[string]func() int{
		"small pieces": func() int { return 1 + random.IntN(20) },
		"large pieces": func() int { return 1 + random.IntN(50_000) },
	} {
		t.Run(name, func(t *testing.T) {
			near, far := openRaw(t, dealer)
			go func() {
				for rest := octets; len(rest) > 0; {
					n := min(piece(), len(rest))
					if _, err := far.Write(rest[:n]); err != nil {
						t.Error(err)
						return
					}
					rest = rest[n:]
				}
				far.Close()
			}()
			got := 0
			err := near.Serve(each(func(m [][]byte) error {
				if len(m) != 2 || !bytes.Equal(m[1], want[got]) {
					return fmt.Errorf("message %d is not what was sent", got)
				}
				got++
				return nil
			}))
			if err != io.EOF || got != len(want) {
				t.Errorf("%v after %d messages of %d", err, got, len(want))
			}
		})
	}
}

// What is claimed costs nothing until it comes: the buffer is never more than
// twice as large as what it holds, or the smallest.
func TestClaimsCostNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dealer
		c.MaxMessage = 1 << 30
		near, far := openRaw(t, c)
		wait := serve(near, discard)
		claim := zmtp.AppendHeader(nil, 1<<30, false)
		for sent := 0; sent < 1<<20; {
			n, err := far.Write(claim)
			if err != nil {
				t.Fatal(err)
			}
			sent += n
			synctest.Wait()
			if near.in == nil {
				t.Fatal("the message under way is lost")
			}
			if held := cap(near.in.in.b); held > max(2*sent, smallBuffer) {
				t.Fatalf("%d octets came, %d are held", sent, held)
			}
			claim = make([]byte, 1+sent/3)
		}
		near.Close()
		if err := wait(); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
}

// A retained batch keeps its content while others come and go.
func TestRetain(t *testing.T) {
	onEach(t, dealer, router, func(t *testing.T, near, far *Link) {
		const count = 300
		var kept []*Batch
		held, got := 0, 0
		sent := make(chan error, 1)
		go func() {
			var err error
			for i := 0; i < count && err == nil; i++ {
				err = send(t.Context(), near, frames(bytes.Repeat([]byte{byte(i)}, 1000)))
			}
			sent <- err
		}()
		err := far.Serve(func(b *Batch) error {
			b.Retain()
			kept = append(kept, b)
			held += b.Octets()
			got += b.Len()
			b.Release()
			if got == count {
				return errEnough
			}
			return nil
		})
		if !errors.Is(err, errEnough) || <-sent != nil {
			t.Fatal(err)
		}
		i := 0
		for _, b := range kept {
			for j := range b.Len() {
				if want := bytes.Repeat([]byte{byte(i)}, 1000); !bytes.Equal(b.Message(j)[0], want) {
					t.Errorf("message %d has changed", i)
				}
				i++
			}
			b.Release()
		}
		if held < count*1000 {
			t.Errorf("batches claim to hold %d octets, but have %d", held, count*1000)
		}
	})
}

func TestReleaseTooOften(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	b := new(Pool).batch(1)
	b.refs.Store(0)
	b.Release()
}

// Frames cannot grow into what comes after them.
func TestFramesAreBounded(t *testing.T) {
	near, far := openRaw(t, dealer)
	if _, err := far.Write(frames([]byte("a"), []byte("b"))); err != nil {
		t.Fatal(err)
	}
	far.Close()
	near.Serve(func(b *Batch) error {
		defer b.Release()
		m := b.Message(0)
		if cap(m) != 2 || cap(m[0]) != 1 || cap(m[1]) != 1 {
			t.Errorf("capacities %d, %d, %d", cap(m), cap(m[0]), cap(m[1]))
		}
		return nil
	})
}

// RFC 37, "Connection Heartbeating": a PING is answered with a PONG that has its
// context.
func TestPong(t *testing.T) {
	near, far := openRaw(t, dealer)
	serve(near, discard)
	if _, err := far.Write(ping(0, "context")); err != nil {
		t.Fatal(err)
	}
	want := zmtp.AppendCommand(nil, zmtp.Pong, []byte("context"))
	got := make([]byte, len(want))
	if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
}

// A flood of commands from a far side that does not read costs no more than the
// outbox has, and does no harm.
func TestCommandFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := openRaw(t, small)
		serve(near, discard)
		flood := bytes.Repeat(ping(0, "0123456789abcdef"), 1000)
		for range 30 {
			if _, err := far.Write(flood); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := far.Write(bytes.Repeat(zmtp.AppendCommand(nil, "SUBSCRIBE", nil), 10)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if most := small.Outbox + small.Reserve; near.Queued() > most {
			t.Errorf("%d octets are queued, more than %d", near.Queued(), most)
		}
		if near.Ignored() != 10 {
			t.Errorf("%d commands ignored, want 10", near.Ignored())
		}
	})
}

// A command within a message is obeyed once, though the message stays under way.
func TestCommandWithinMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := openRaw(t, dealer)
		got := make(chan int, 1)
		wait := serve(near, each(func(m [][]byte) error { got <- len(m); return nil }))
		for _, octets := range [][]byte{[]byte("\x01\x01a"), ping(0, "x"), []byte("\x01\x01"), []byte("b\x00"), []byte("\x01c")} {
			if _, err := far.Write(octets); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if n := <-got; n != 3 {
			t.Errorf("message of %d frames, want 3", n)
		}
		near.Close()
		wait()
		if answer, err := io.ReadAll(far); err != nil || !bytes.Equal(answer, zmtp.AppendCommand(nil, zmtp.Pong, []byte("x"))) {
			t.Errorf("answered %q, %v", answer, err)
		}
	})
}

// heartbeats has a heartbeat of a second.
var heartbeats = Config{Type: zmtp.Dealer, Heartbeat: time.Second}

// watch serves a link whose far side is silent; it returns the end and how long
// after the start it came.
func watch(l *Link, start time.Time) func() (time.Duration, error) {
	wait := serve(l, discard)
	return func() (time.Duration, error) { err := wait(); return time.Since(start), err }
}

func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := openRaw(t, heartbeats)
		end := watch(near, time.Now())
		if after, err := end(); !errors.Is(err, ErrSilent) || after != 3*time.Second {
			t.Errorf("%v after %v, want ErrSilent after 3s", err, after)
		}
		want := bytes.Repeat(ping(3*time.Second, ""), 2)
		if got, err := io.ReadAll(far); !bytes.Equal(got, want) {
			t.Errorf("the far side got %q, %v, want two PINGs", got, err)
		}
	})
}

// Anything that comes is a sign of life, and puts off the next PING.
func TestSignsOfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := openRaw(t, heartbeats)
		start := time.Now()
		end := watch(near, start)
		for _, octets := range [][]byte{number(1, 0), zmtp.AppendCommand(nil, zmtp.Pong, nil), {0}, {5}} {
			<-time.After(2500 * time.Millisecond)
			if _, err := far.Write(octets); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if heard := near.Heard().Sub(start); heard != time.Since(start) {
				t.Errorf("heard after %v, want %v", heard, time.Since(start))
			}
		}
		if after, err := end(); !errors.Is(err, ErrSilent) || after != 13*time.Second {
			t.Errorf("%v after %v, want ErrSilent after 13s", err, after)
		}
	})
}

// Two links keep each other alive, however long they have nothing to say.
func TestHeartbeatsAreAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(func(from, to string) time.Duration { return 100 * time.Millisecond })
		near, far := openOver(t, m.Host("10.0.0.1"), m.Host("10.0.0.2"), "tcp://*:*", heartbeats, router)
		nearEnd, farEnd := serve(near, discard), serve(far, discard)
		<-time.After(time.Hour + time.Second/2) // nothing is under way
		near.Close()
		if err := nearEnd(); !errors.Is(err, ErrClosed) {
			t.Errorf("near: %v", err)
		}
		if err := farEnd(); err != io.EOF {
			t.Errorf("far: %v", err)
		}
	})
}

// A partition that heals in time does no harm; one that does not ends the link.
func TestPartitionAndHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(nil)
		near, far := openOver(t, m.Host("10.0.0.1"), m.Host("10.0.0.2"), "tcp://*:*", heartbeats, router)
		end := watch(near, time.Now())
		serve(far, discard)
		for range 3 {
			<-time.After(5300 * time.Millisecond)
			m.Partition("10.0.0.2", "10.0.0.1", true)
			<-time.After(2 * time.Second)
			m.Partition("10.0.0.1", "10.0.0.2", false)
		}
		<-time.After(4300 * time.Millisecond)
		m.Partition("10.0.0.1", "10.0.0.2", true)
		if after, err := end(); !errors.Is(err, ErrSilent) || after != 28900*time.Millisecond {
			t.Errorf("%v after %v, want ErrSilent after 28.9s", err, after)
		}
	})
}

// RFC 37: who got a PING with a time to live and nothing more within it takes the
// connection for dead, even without heartbeats of its own.
func TestTimeToLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := openRaw(t, dealer)
		end := watch(near, time.Now())
		<-time.After(time.Minute)
		if _, err := far.Write(ping(6*time.Second, "")); err != nil {
			t.Fatal(err)
		}
		if after, err := end(); !errors.Is(err, ErrSilent) || after != 66*time.Second {
			t.Errorf("%v after %v, want ErrSilent after 66s", err, after)
		}
	})
}

// While deliver takes its time the far side is not to blame for silence.
func TestSlowDeliver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := openRaw(t, heartbeats)
		got := 0
		wait := serve(near, each(func([][]byte) error {
			<-time.After(time.Minute)
			if got++; got == 3 {
				return errEnough
			}
			return nil
		}))
		for i := range 3 {
			if _, err := far.Write(number(i, smallBuffer)); err != nil {
				t.Fatal(err)
			}
		}
		if err := wait(); !errors.Is(err, errEnough) {
			t.Errorf("%v after %d messages", err, got)
		}
	})
}

// ZMTP 3.0 has no PING: its silence means nothing.
func TestNoHeartbeatWithOldVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(nil)
		x, y := connect(t, m.Host("10.0.0.1"), m.Host("10.0.0.2"), "tcp://*:*")
		defer y.Close()
		old := zmtp.AppendGreeting(nil, zmtp.Null)
		old[11] = 0
		old = zmtp.AppendCommand(old, zmtp.Ready, []byte("\x0bSocket-Type\x00\x00\x00\x06ROUTER"))
		if _, err := y.Write(old); err != nil {
			t.Fatal(err)
		}
		near, err := Open(t.Context(), x, heartbeats)
		if err != nil {
			t.Fatal(err)
		}
		wait := serve(near, discard)
		<-time.After(time.Hour)
		near.Close()
		if err := wait(); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}

// Buffers follow the traffic: larger when reads fill them, smaller again after.
func TestBuffersAdapt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := openRaw(t, dealer)
		serve(near, discard)
		if _, err := far.Write(bytes.Repeat(number(1, 90), 2000)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if near.size != busyBuffer {
			t.Errorf("in a burst of small messages: %d octets, want %d", near.size, busyBuffer)
		}
		for range leanReads * 10 {
			if _, err := far.Write(number(1, 90)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if near.size != smallBuffer {
			t.Errorf("after it: %d octets, want %d", near.size, smallBuffer)
		}
	})
}

// While a link waits for the rest of a message, it holds little more than it has.
func TestParkShrinks(t *testing.T) {
	near, _ := openRaw(t, dealer)
	octets := append(zmtp.AppendHeader(nil, 1, true), 'a')
	octets = append(zmtp.AppendHeader(octets, 5000, false), make([]byte, 100)...)
	near.in = near.config.Pool.batch(largeBuffer)
	near.in.in.b = append(near.in.in.b, octets...)
	if err := near.parser.Parse(near.in.in.b, &near.in.found); err != nil {
		t.Fatal(err)
	}
	near.park()
	if got := cap(near.in.in.b); got != smallBuffer || !bytes.Equal(near.in.in.b, octets) {
		t.Errorf("%d octets are held for %d", got, len(octets))
	}
	near.in.in.b = append(near.in.in.b, make([]byte, 4900)...)
	if err := near.parser.Parse(near.in.in.b, &near.in.found); err != nil || near.in.Len() != 1 || string(near.in.Message(0)[0]) != "a" {
		t.Errorf("the message is damaged: %v", err)
	}
}

// An idle link holds no buffer, in memory either.
func TestIdleHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := openRaw(t, dealer)
		serve(near, discard)
		if _, err := far.Write(number(1, 100_000)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if near.in != nil || near.first != nil {
			t.Error("there is a buffer")
		}
	})
}

// A far side that is not known yet may say little at a time. What follows a greeting, and
// came with it, is held against the limits of those who are.
func TestGreeting(t *testing.T) {
	const greeting = 300_000
	bounded := router
	bounded.MaxMessage, bounded.Greeting = 1<<20, greeting
	hello := frames(bytes.Repeat([]byte("h"), greeting))
	var many [][]byte
	for range 2 * greetingFrames {
		many = append(many, []byte("frame"))
	}
	large := frames(make([]byte, greeting), make([]byte, greeting))
	for _, c := range []struct {
		name   string
		widens bool
		words  [][]byte
		come   int // messages
		err    error
	}{
		{"as large as it may be", false, [][]byte{hello, hello}, 2, io.EOF},
		{"an octet more", false, [][]byte{hello, frames(make([]byte, greeting+1))}, 1, zmtp.ErrTooLarge},
		{"many frames", false, [][]byte{hello, frames(many...)}, 1, zmtp.ErrTooLarge},
		{"more after it", true, [][]byte{frames([]byte("h")), large, frames(many...), large}, 4, io.EOF},
		{"more after a large one", true, [][]byte{hello, frames(many...), large}, 3, io.EOF},
		{"too much after it", true, [][]byte{hello, frames(make([]byte, 1<<20+1))}, 1, zmtp.ErrTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			onEach(t, dealer, bounded, func(t *testing.T, near, far *Link) {
				go func() {
					_ = send(t.Context(), near, bytes.Join(c.words, nil)) // the far side may have ended it
					_ = near.Shutdown(t.Context())
				}()
				come := 0
				err := far.Serve(func(b *Batch) error {
					defer b.Release()
					if come += b.Len(); c.widens {
						far.Widen()
					}
					return nil
				})
				if come != c.come || !errors.Is(err, c.err) {
					t.Errorf("%d messages came, want %d; %v, want %v", come, c.come, err, c.err)
				}
			})
		})
	}
}

// TestFinishEnds finishes a link whose far side goes on to speak, sooner after each word
// than a pause is: it ends after a while, for which a slow application does not count.
func TestFinishEnds(t *testing.T) {
	for _, slow := range []time.Duration{0, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			m := NewMemory(after(time.Millisecond))
			a, b := openOver(t, m.Host(hostA), m.Host(hostB), "tcp://*:5000", dealer, router)
			ctx, cancel := context.WithCancel(t.Context())
			spoke := make(chan struct{})
			go func() {
				defer close(spoke)
				for ctx.Err() == nil && sendMessage(ctx, a, []byte("word")) == nil {
					time.Sleep(5 * time.Millisecond) // virtual
				}
			}()
			deliveries, finished := 0, time.Time{}
			err := b.Serve(func(batch *Batch) error {
				batch.Release()
				if deliveries++; deliveries == 10 {
					b.Finish()
					finished = time.Now()
				}
				if !finished.IsZero() && deliveries < 20 {
					time.Sleep(slow) // virtual
				}
				return nil
			})
			if took, least := time.Since(finished), drainLast+10*slow/2; !errors.Is(err, io.EOF) || took < least || took > drainLast+11*slow {
				t.Errorf("ends after %v with %v, want io.EOF after %v", took, err, least)
			}
			cancel()
			b.Close()
			<-spoke
			a.Close()
		})
	}
}
