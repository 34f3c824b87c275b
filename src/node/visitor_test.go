package node

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/events"
)

// visits lets a program share a node without a socket, so that time can be virtual.
func visits(a *actor) (*Visitor, *events.Queue) {
	a.lan.t.Helper()
	q := events.New(64)
	q.Limit(1 << 20)
	v, err := a.Visit(q)
	a.must(err)
	return v, q
}

// TestVisitorIsIntroduced has a program share a node that knows somebody: it is told as if
// they came then, and of all that happens later.
func TestVisitorIsIntroduced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana, ben := l.couple(0)
		_, q := visits(ana)
		ana.must(ben.Join("hall"))
		l.rest()
		ana.must(ben.Whisper(t.Context(), ana.UUID(), text("hello")))
		l.rest()
		for _, want := range []string{"enter", "join room", "join hall", "whisper hello"} {
			e, err := q.Recv(t.Context())
			ana.must(err)
			got := strings.TrimSpace(e.Type().String() + " " + e.Group())
			for _, frame := range e.Msg() {
				got += " " + string(frame)
			}
			if got != want || e.Peer().Name() != "ben" {
				t.Errorf("it is told %q of %s, want %q", got, e.Peer().Name(), want)
			}
		}
		ana.wants("join ben hall", "whisper ben \"hello\"")
	})
}

// TestGroupsAreLent has programs that share a node join and leave groups: the node is in a
// group while one of them is, or the program that runs it.
func TestGroupsAreLent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana, ben := l.couple(0)
		one, _ := visits(ana)
		two, _ := visits(ana)
		is := func(what string, in ...string) {
			t.Helper()
			l.rest()
			p, err := ben.Peer(ana.UUID())
			if err != nil || !slices.Equal(p.Groups(), in) {
				t.Errorf("%s: the node is in %q, want %q; %v", what, p.Groups(), in, err)
			}
		}
		ana.must(one.Join("hall"))
		ana.must(one.Join("hall"))
		ana.must(two.Join("hall"))
		is("two joined", "hall", "room")
		if own := ana.OwnGroups(); !slices.Equal(own, []string{"room"}) {
			t.Errorf("the node's own groups are %q", own)
		}
		ana.must(one.Leave("hall"))
		is("one left", "hall", "room")
		ana.must(one.Leave("hall"))
		is("one left twice", "hall", "room")
		ana.must(ana.Join("hall"))
		two.Quit()
		is("both left, and the node has joined", "hall", "room")
		ana.must(ana.Leave("hall"))
		is("the node left", "room")
		ana.must(one.Join("room"))
		ana.must(ana.Leave("room"))
		is("the node left what another is in", "room")
		one.Quit()
		is("all left")
	})
}

// TestUndeliveredIsToldToWhomItConcerns has three programs talk through a node to two
// peers, of whom one is lost.
func TestUndeliveredIsToldToWhomItConcerns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana, ben := l.couple(0)
		cleo := l.node("cleo")
		defer cleo.Stop()
		ana.wants("enter cleo")
		toBen, _ := visits(ana)
		toCleo, _ := visits(ana)
		toRoom, _ := visits(ana)
		ctx := t.Context()
		l.memory.Partition(ana.host, ben.host, true)
		ana.must(toBen.Whisper(ctx, ben.UUID(), text("lost")))
		ana.must(toCleo.Whisper(ctx, cleo.UUID(), text("found")))
		_, err := toRoom.Shout(ctx, "room", text("lost too"))
		ana.must(err)
		soon, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := toCleo.Flush(soon); err != nil {
			t.Errorf("who has said nothing to the lost one is told %v", err)
		}
		var all sync.WaitGroup
		for who, v := range map[string]*Visitor{"who whispers": toBen, "who shouts": toRoom} {
			all.Go(func() {
				var undelivered *UndeliveredError
				if err := v.Flush(ctx); !errors.As(err, &undelivered) || len(undelivered.Missed) != 1 || undelivered.Missed[0].Name != "ben" {
					t.Errorf("%s is told %v", who, err)
				}
				if err := v.Flush(ctx); err != nil {
					t.Errorf("%s is told again: %v", who, err)
				}
			})
		}
		all.Wait()
		if err := ana.Flush(ctx); !errors.Is(err, api.ErrUndelivered) {
			t.Errorf("the program that runs the node is told %v", err)
		}
		late, _ := visits(ana)
		if err := late.Flush(ctx); err != nil {
			t.Errorf("who comes later is told %v", err)
		}
	})
}
