package node

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
)

// told reads all events, and returns those about a peer, without those that only doubt.
func (a *actor) told(of string) (lines []string) {
	a.lan.t.Helper()
	for {
		line := a.next(time.Minute)
		if line == "context deadline exceeded" {
			return lines
		}
		if words := strings.Fields(line); words[1] == of && words[0] != "suspect" && words[0] != "recover" {
			lines = append(lines, line)
		}
	}
}

// hurry has a node say three things, join a group and leave it, and end.
func (a *actor) hurry(to uuid.UUID) {
	a.lan.t.Helper()
	for i := range 3 {
		a.must(a.Whisper(a.lan.t.Context(), to, text(fmt.Sprint("alarm ", i))))
	}
	flushed := make(chan struct{})
	go func() { // it may say that the peer has not confirmed it yet
		_ = a.Flush(a.lan.t.Context())
		close(flushed)
	}()
	a.must(a.Join("room"))
	a.must(a.Leave("room"))
	_ = a.Stop()
	<-flushed
}

// TestBusyReceiver has a receiver busy while somebody says something and ends: what was
// said lies in its socket, and it is told it when it has time, and then that the sender
// has left.
func TestBusyReceiver(t *testing.T) {
	alarm := []string{
		`whisper ana "alarm 0"`, `whisper ana "alarm 1"`, `whisper ana "alarm 2"`,
		"join ana room", "leave ana room", "exit ana left",
	}
	for _, busy := range []time.Duration{5, 25, 40, 300} {
		for _, security := range levels {
			t.Run(fmt.Sprint(busy*time.Second, "/", security, "/alone"), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := newLAN(t)
					ana, ben := l.node("ana", with(security)), l.node("ben", with(security), tight)
					defer ben.Stop()
					ana.wants("enter ben")
					ben.wants("enter ana")
					want := alarm
					for i := range 5 {
						big := strings.Repeat(fmt.Sprint(i), 4000)
						ana.must(ana.Whisper(t.Context(), ben.UUID(), text(big)))
						want = slices.Insert(slices.Clone(want), i, fmt.Sprintf("whisper ana %q", big))
					}
					ana.hurry(ben.UUID())
					time.Sleep(busy * time.Second)
					if got := ben.told("ana"); !slices.Equal(got, want) {
						t.Errorf("ben is told %.40q", got)
					}
				})
			})
			t.Run(fmt.Sprint(busy*time.Second, "/", security, "/in a busy room"), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					busyRoom(t, busy*time.Second, security, alarm)
				})
			})
		}
	}
}

// busyRoom has others fill what the receiver has not read.
func busyRoom(t *testing.T, busy time.Duration, security api.NodeSecurity, alarm []string) {
	l := newLAN(t)
	ana, ben := l.node("ana", with(security)), l.node("ben", with(security), tight)
	cleo := l.node("cleo", with(security), func(n *Node) { n.settings.Outbox = 8192 })
	defer ben.Stop()
	defer cleo.Stop()
	l.rest()
	chats := make(chan int, 1)
	go func() {
		sent := 0
		for cleo.Whisper(t.Context(), ben.UUID(), [][]byte{make([]byte, 2000)}) == nil {
			sent++
		}
		chats <- sent
	}()
	l.rest()
	ana.hurry(ben.UUID())
	time.Sleep(busy)
	var of []string
	chatted := 0
	for !slices.Contains(of, alarm[len(alarm)-1]) {
		line := ben.next(time.Minute)
		switch words := strings.Fields(line); {
		case words[0] == "whisper" && words[1] == "cleo" && chatted < 10_000:
			chatted++
		case words[0] == "exit" && words[1] == "cleo", chatted == 10_000:
			t.Fatalf("after %q, and %d of cleo: %.40s", of, chatted, line)
		case words[1] == "ana" && words[0] != "enter" && words[0] != "suspect" && words[0] != "recover":
			of = append(of, line)
		}
	}
	if !slices.Equal(of, alarm) || chatted == 0 {
		t.Errorf("ben is told %q, and %d things of cleo", of, chatted)
	}
	_ = cleo.Stop()
	<-chats
}
