package node

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/sight"
)

// spacious lets a message be large.
func spacious(n *Node) { n.settings.MaxMessage, n.settings.Inbox = 64<<20, 64<<20 }

// reads reads so many messages, and expects no other events.
func (a *actor) reads(ctx context.Context, messages int) {
	a.lan.t.Helper()
	for got := range messages {
		switch e, err := a.Recv(ctx); {
		case err != nil:
			a.lan.t.Errorf("%s has got %d messages: %v", a.Name(), got, err)
			return
		case len(e.Msg()) == 0:
			a.lan.t.Errorf("%s is told after %d messages: %s %s %s", a.Name(), got, e.Type(), e.Peer().Name(), e.Reason())
			return
		}
	}
}

// transfer has a node whisper much, and expects that it arrives and that nobody doubts
// anybody meanwhile.
func transfer(ana, ben *actor, messages, size int) {
	ana.lan.t.Helper()
	ctx, cancel := context.WithTimeout(ana.lan.t.Context(), 10*time.Minute)
	defer cancel()
	read := make(chan struct{})
	go func() {
		ben.reads(ctx, messages)
		close(read)
	}()
	content := [][]byte{make([]byte, size)}
	for range messages {
		ana.must(ana.Whisper(ctx, ben.UUID(), content))
	}
	ana.must(ana.Flush(ctx))
	<-read
	ana.idle(100 * time.Millisecond)
	ben.idle(100 * time.Millisecond)
}

// TestLongTransfers sends what takes longer than a peer may be silent.
func TestLongTransfers(t *testing.T) {
	for _, c := range []struct {
		name     string
		rate     int // octets a second
		messages int
		size     int
		beacons  bool
	}{
		{"many messages", eightMegabit, 50, 1_000_000, true},
		{"one message", eightMegabit, 1, 50_000_000, true},
		{"many messages over less", 64_000, 100, 100_000, true},
		{"one message over less", 64_000, 1, 10_000_000, true},
		{"many messages without beacons", eightMegabit, 50, 1_000_000, false},
		{"one message without beacons", eightMegabit, 1, 50_000_000, false},
		{"one message over less without beacons", 64_000, 1, 10_000_000, false},
	} {
		for _, security := range levels {
			t.Run(fmt.Sprint(c.name, "/", security), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := newLAN(t)
					ana, ben := l.couple(c.rate, with(security), spacious)
					if !c.beacons {
						l.hub.Cut(func(from, to string) bool { return true })
					}
					start := time.Now()
					transfer(ana, ben, c.messages, c.size)
					took, least := time.Since(start), time.Duration(c.messages*c.size/c.rate)*time.Second
					if took < least || took > least+least/10 {
						t.Errorf("it took %v", took)
					}
				})
			})
		}
	}
}

// TestTakesNothing sends much to a peer of which nothing is heard but beacons, and that
// takes nothing: it is gone in time.
func TestTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana, ben := l.couple(eightMegabit, roomy)
		for range 30 {
			ana.must(ana.Whisper(t.Context(), ben.UUID(), [][]byte{make([]byte, 1_000_000)}))
		}
		time.Sleep(4 * time.Second)
		l.memory.Partition(ana.host, ben.host, true)
		start := time.Now()
		ana.wants("suspect ben")
		ana.has("exit ben expired", time.Minute) // what it has not taken comes back before
		if took := time.Since(start); took < ana.settings.Expired-5*time.Second || took > ana.settings.Expired+10*time.Second {
			t.Errorf("it is gone after %v", took)
		}
	})
}

// choke is a relay on loopback that carries so many octets a second each way.
type choke struct {
	rate int
	to   string
	work sync.WaitGroup
}

// serve carries connections until the listener is closed.
func (c *choke) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", c.to)
		if err != nil {
			_ = conn.Close()
			continue
		}
		c.work.Go(func() { c.carry(conn.(*net.TCPConn), far.(*net.TCPConn)) })
		c.work.Go(func() { c.carry(far.(*net.TCPConn), conn.(*net.TCPConn)) })
	}
}

// carry carries one way, a hundred portions a second.
func (c *choke) carry(from, to *net.TCPConn) {
	defer to.Close()
	defer from.Close()
	_ = from.SetReadBuffer(32 << 10)
	_ = to.SetWriteBuffer(32 << 10)
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	for range pace.C {
		if _, err := io.CopyN(to, from, int64(c.rate/100)); err != nil {
			return
		}
	}
}

// TestLongTransferForReal sends over TCP what takes longer than peers may be silent.
func TestLongTransferForReal(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	hasty := func(n *Node) {
		spacious(n)
		n.settings.Evasive, n.settings.Silent, n.settings.Expired = 500*time.Millisecond, time.Second, 3*time.Second
		n.settings.Security = api.NodeSecurityAuto
	}
	relay, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &choke{rate: eightMegabit}
	ana := live(t, "ana", hasty)
	ben := live(t, "ben", hasty, func(n *Node) { n.settings.advertised = sight.Endpoint{Address: relay.Addr().String()} })
	c.to = parsed(ben.Endpoint()).Address
	served := make(chan struct{})
	go func() {
		c.serve(relay)
		close(served)
	}()
	ana.must(ana.RequirePeer(ben.UUID(), "tcp://"+relay.Addr().String()))
	ana.wants("enter ben")
	ben.wants("enter ana")
	start := time.Now()
	transfer(ana, ben, 1, 4_000_000)
	transfer(ana, ben, 30, 100_000)
	if took := time.Since(start); took < 2*ana.settings.Expired {
		t.Errorf("it took %v", took)
	}
	_, _ = ana.Stop(), ben.Stop()
	_ = relay.Close()
	<-served
	c.work.Wait()
}
