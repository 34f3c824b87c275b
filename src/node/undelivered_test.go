package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
)

// eightMegabit is so many octets a second.
const eightMegabit = 1_000_000

// roomy lets much content wait, to be sent and to be read.
func roomy(n *Node) {
	n.settings.Outbox, n.settings.Outboxes, n.settings.Inbox = 64<<20, 1<<30, 64<<20
}

// couple are two nodes that know each other, over a slow network.
func (l *lan) couple(rate int, prepare ...func(*Node)) (ana, ben *actor) {
	ana, ben = l.node("ana", append(prepare, in("room"))...), l.node("ben", append(prepare, in("room"))...)
	l.t.Cleanup(func() { _, _ = ana.Stop(), ben.Stop() })
	ana.wants("enter ben", "join ben room")
	ben.wants("enter ana", "join ana room")
	l.rest() // until one connection is left
	l.memory.Rate(func(_, _ string) int { return rate })
	return ana, ben
}

// vanishes has a node be gone without a word, with all its connections.
func (a *actor) vanishes() {
	a.lan.memory.Refuse(a.host, true)
	a.lan.hub.Cut(func(from, to string) bool { return from == a.host })
	a.kill()
}

// content counts the messages that there are to be read.
func (a *actor) content() (messages uint64) {
	a.lan.t.Helper()
	ctx, cancel := context.WithTimeout(a.lan.t.Context(), 5*time.Second)
	defer cancel()
	for {
		e, err := a.Recv(ctx)
		if err != nil {
			return messages
		}
		if len(e.Msg()) > 0 {
			messages++
		}
	}
}

// missed expects that an error says of one peer that it has not got so many messages,
// or more.
func (a *actor) missed(err error, peer *actor, least uint64) Missed {
	a.lan.t.Helper()
	var undelivered *UndeliveredError
	if !errors.As(err, &undelivered) || !errors.Is(err, api.ErrUndelivered) {
		a.lan.t.Fatalf("%s is told %v, not that content was not delivered", a.Name(), err)
	}
	if len(undelivered.Missed) != 1 {
		a.lan.t.Fatalf("%s is told that several missed something: %v", a.Name(), err)
	}
	m := undelivered.Missed[0]
	if m.UUID != peer.UUID() || m.Name != peer.Name() || m.Messages < least || m.Messages == 0 || !strings.Contains(err.Error(), peer.Name()) {
		a.lan.t.Fatalf("%s is told %v, want %d messages to %s at least", a.Name(), err, least, peer.Name())
	}
	return m
}

// TestGoneBeforeItHasAll has a receiver go in the middle of much content: who sent it is
// told who did not get how much of it.
func TestGoneBeforeItHasAll(t *testing.T) {
	ways := []struct {
		name   string
		goes   func(ana, ben *actor)
		reason string
	}{
		{"killed", func(_, ben *actor) { ben.vanishes() }, "network"},
		{"leaves", func(_, ben *actor) { ben.Stop() }, "left"},
		{"cable pulled", func(ana, ben *actor) { ana.lan.part(ana, ben, true) }, "expired"},
	}
	whispers := func(size int) func(ana, ben *actor) error {
		return func(ana, ben *actor) error {
			return ana.Whisper(ana.lan.t.Context(), ben.UUID(), [][]byte{make([]byte, size)})
		}
	}
	kinds := []struct {
		name  string
		count int
		size  int
		say   func(ana, ben *actor) error
	}{
		{"whispers", 30, 1_000_000, whispers(1_000_000)},
		{"one whisper", 1, 30_000_000, whispers(30_000_000)},
		{"shouts", 30, 1_000_000, func(ana, _ *actor) error {
			_, err := ana.Shout(ana.lan.t.Context(), "room", [][]byte{make([]byte, 1_000_000)})
			return err
		}},
	}
	for _, way := range ways {
		for _, kind := range kinds {
			for _, security := range levels[:2] {
				t.Run(fmt.Sprint(way.name, "/", kind.name, "/", security), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						l := newLAN(t)
						ana, ben := l.couple(eightMegabit, with(security), roomy)
						for range kind.count {
							ana.must(kind.say(ana, ben))
						}
						told := make(chan error)
						go func() { told <- ana.Flush(t.Context()) }()
						time.Sleep(4 * time.Second)
						way.goes(ana, ben)
						got := make(chan uint64)
						go func() { got <- ben.content() }()
						err := <-told
						m := ana.missed(err, ben, uint64(kind.count)-<-got)
						if m.Reason != disconnected && m.Reason != way.reason || m.Octets < m.Messages*uint64(kind.size) {
							t.Errorf("%+v; want the reason %q", m, way.reason)
						}
						ana.must(ana.Flush(t.Context())) // it is told once
					})
				})
			}
		}
	}
}

// TestMissedSaysWhyItIsGone asks who missed something after a peer is gone, whose connection
// was lost before that or not: it is for the reason that the exit had.
func TestMissedSaysWhyItIsGone(t *testing.T) {
	for name, goes := range map[string]func(ana, ben *actor){
		"killed":       func(_, ben *actor) { ben.vanishes() },
		"leaves":       func(_, ben *actor) { ben.Stop() },
		"cable pulled": func(ana, ben *actor) { ana.lan.part(ana, ben, true) },
	} {
		for _, security := range levels[:2] {
			t.Run(fmt.Sprint(name, "/", security), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := newLAN(t)
					ana, ben := l.couple(eightMegabit, with(security), roomy)
					ana.must(ana.Whisper(t.Context(), ben.UUID(), [][]byte{make([]byte, 30_000_000)}))
					time.Sleep(4 * time.Second)
					goes(ana, ben)
					line, reason, gone := ana.next(time.Minute), "", false
					for !gone && line != context.DeadlineExceeded.Error() {
						if reason, gone = strings.CutPrefix(line, "exit ben "); !gone {
							line = ana.next(time.Minute)
						}
					}
					if m := ana.missed(ana.Flush(t.Context()), ben, 1); !gone || m.Reason != reason {
						t.Errorf("after %q: %+v", line, m)
					}
				})
			})
		}
	}
}

// TestStopTellsWhatIsUndelivered stops a node whose peer has no time to take what was
// said.
func TestStopTellsWhatIsUndelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana, ben := l.couple(eightMegabit)
		ana.must(ana.Whisper(t.Context(), ben.UUID(), [][]byte{make([]byte, 30_000_000)}))
		err := ana.Stop()
		if m := ana.missed(err, ben, 1); m.Messages != 1 || m.Octets < 30_000_000 {
			t.Errorf("%+v", m)
		}
		if again := ana.Stop(); again == nil || again.Error() != err.Error() {
			t.Errorf("told again: %v", again)
		}
	})
}

// TestStopDelivers stops a node that has just said something: it arrives, and Stop does
// not say otherwise.
func TestStopDelivers(t *testing.T) {
	for _, security := range levels {
		synctest.Test(t, func(t *testing.T) {
			l := newLAN(t)
			ana, ben := l.couple(eightMegabit, with(security))
			ana.must(ana.Whisper(t.Context(), ben.UUID(), text("bye")))
			ana.shouts("room", "bye all", 1)
			ana.must(ana.Stop())
			ben.wants(`whisper ana "bye"`, `shout ana room "bye all"`, "exit ana left")
		})
	}
}

// TestFlushEnds waits for a peer that takes its time: the wait can be ended, says then
// how things stand, and can be begun anew.
func TestFlushEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana, ben := l.couple(eightMegabit, roomy)
		const count = 30
		for range count {
			ana.must(ana.Whisper(t.Context(), ben.UUID(), [][]byte{make([]byte, 1_000_000)}))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		err := ana.Flush(ctx)
		if m := ana.missed(err, ben, count-4); m.Messages > count || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("told %v", err)
		}
		start, both := time.Now(), make(chan error)
		for range 2 {
			go func() { both <- ana.Flush(t.Context()) }()
		}
		ana.must(<-both)
		ana.must(<-both)
		if took := time.Since(start); took < 26*time.Second || took > 28*time.Second {
			t.Errorf("all was confirmed after %v", took)
		}
		synctest.Wait()
		if got := ben.content(); got != count {
			t.Errorf("all was confirmed, and %d arrived", got)
		}
	})
}

// TestFlushesAtOnce tells all who wait.
func TestFlushesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana, ben := l.couple(eightMegabit)
		ana.must(ana.Whisper(t.Context(), ben.UUID(), [][]byte{make([]byte, 30_000_000)}))
		told := make(chan error)
		for range 2 {
			go func() { told <- ana.Flush(t.Context()) }()
		}
		time.Sleep(4 * time.Second)
		ben.vanishes()
		for range 2 {
			if m := ana.missed(<-told, ben, 1); m.Messages != 1 {
				t.Errorf("%+v", m)
			}
		}
	})
}

// TestLeavesWithTheMessage has a receiver end as soon as it has a message: it has it, and
// nobody is told otherwise.
func TestLeavesWithTheMessage(t *testing.T) {
	for _, security := range levels {
		for _, flushes := range []bool{true, false} {
			t.Run(fmt.Sprint(security, "/", flushes), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := newLAN(t)
					ana, ben := l.couple(eightMegabit, with(security))
					gone := make(chan struct{})
					go func() {
						defer close(gone)
						ben.wants(`whisper ana "go"`, `shout ana room "all of you"`)
						ben.Stop()
					}()
					ana.must(ana.Whisper(t.Context(), ben.UUID(), text("go")))
					ana.shouts("room", "all of you", 1)
					if flushes {
						ana.must(ana.Flush(t.Context()))
					}
					<-gone
					ana.wants("exit ben left")
					ana.must(ana.Flush(t.Context()))
					ana.must(ana.Stop())
				})
			})
		}
	}
}

// TestBothLeave has two nodes end at once, one of which has just said something: either
// it arrives, or who said it is told that it did not.
func TestBothLeave(t *testing.T) {
	for _, security := range levels {
		for _, later := range []time.Duration{0, 500 * time.Microsecond, time.Millisecond, 1500 * time.Microsecond, 3 * time.Millisecond} {
			t.Run(fmt.Sprint(security, "/", later), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := newLAN(t)
					ana, ben := l.couple(eightMegabit, with(security))
					ana.must(ana.Whisper(t.Context(), ben.UUID(), text("bye")))
					stopped := make(chan error)
					go func() { stopped <- ana.Stop() }()
					time.Sleep(later)
					ben.Stop()
					err := <-stopped
					if got := ben.content(); got == 0 {
						ana.missed(err, ben, 1)
					}
				})
			})
		}
	}
}

// obedient is a plain peer that answers PINGs when it is told to.
type obedient struct {
	*stranger
	pings    chan struct{}
	sequence uint16
}

func (l *lan) obedient(to *actor) *obedient {
	o := &obedient{pings: make(chan struct{}, 64), sequence: 1}
	listener, err := l.memory.Host("10.0.0.66").Listen(l.t.Context(), "tcp://*:*")
	to.must(err)
	l.t.Cleanup(func() { _ = listener.Close() })
	o.stranger = l.stranger(to, routingID(mallory))
	o.say(frame(&zremsg.Hello{Sequence: 1, Name: "mallory", Endpoint: fmt.Sprint("tcp://", listener.Addr())}))
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if k, err := link.Open(l.t.Context(), conn, link.Config{Type: zmtp.Router, MaxMessage: 1 << 20}); err == nil {
				_ = k.Serve(o.hear)
			}
		}
	}()
	return o
}

func (o *obedient) hear(b *link.Batch) error {
	defer b.Release()
	for i := range b.Len() {
		if id, _ := zremsg.Peek(b.Message(i)[0]); id == zremsg.IDPing {
			o.pings <- struct{}{}
		}
	}
	return nil
}

// answer answers all PINGs that have come.
func (o *obedient) answer() {
	for len(o.pings) > 0 {
		<-o.pings
		o.sequence++
		o.say(frame(&zremsg.PingOK{Sequence: o.sequence}))
	}
}

// TestPlainPeersConfirm has a peer of RFC 36 answer a PING, or not.
func TestPlainPeersConfirm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana := l.node("ana")
		defer ana.Stop()
		o := l.obedient(ana)
		ana.wants("enter mallory")
		l.rest()
		o.answer()
		told := make(chan error, 1)
		say := func() {
			ana.must(ana.Whisper(t.Context(), mallory, text("hello")))
			go func() { told <- ana.Flush(t.Context()) }()
			time.Sleep(3 * time.Second)
			if len(told) > 0 {
				t.Fatalf("before the peer has confirmed anything: %v", <-told)
			}
		}
		say()
		o.answer()
		ana.must(<-told)
		say()
		l.memory.Refuse("10.0.0.66", true)
		l.memory.Cut("10.0.0.66")
		var undelivered *UndeliveredError
		if err := <-told; !errors.As(err, &undelivered) || len(undelivered.Missed) != 1 ||
			undelivered.Missed[0].UUID != mallory || undelivered.Missed[0].Messages != 1 {
			t.Errorf("told %v", err)
		}
		<-o.done
	})
}

// TestFlushGivesUp has a Flush end while a peer has acknowledged a part of what was said: it
// counts what is not.
func TestFlushGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const count, size = 20, 500_000
		l := newLAN(t)
		ana, ben := l.couple(eightMegabit, roomy)
		for range count {
			ana.must(ana.Whisper(t.Context(), ben.UUID(), [][]byte{make([]byte, size)}))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		m := ana.missed(ana.Flush(ctx), ben, 1)
		if got := ben.content(); got < 5 || m.Messages < count-got || m.Messages > count-5 {
			t.Errorf("%d messages are not acknowledged, and %d of %d have come", m.Messages, got, count)
		}
	})
}
