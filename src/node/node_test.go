package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/beacon"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/zre"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lan is a network in memory, in virtual time.
type lan struct {
	t      *testing.T
	memory *link.Memory
	hub    *beacon.Hub
	hosts  int
}

func newLAN(t *testing.T) *lan {
	delay := func(from, to string) time.Duration { return time.Millisecond }
	t.Cleanup(func() { time.Sleep(time.Second) }) // virtual: what is under way then arrives, the end of connections too
	return &lan{t: t, memory: link.NewMemory(delay), hub: beacon.NewHub(0)}
}

// actor is a node and the events that a test expects of it.
type actor struct {
	*Node
	lan  *lan
	host string
}

// node makes a node on a host of its own; prepare may change it before it starts.
func (l *lan) node(name string, prepare ...func(*Node)) *actor {
	l.hosts++
	return l.nodeAt(fmt.Sprintf("10.0.0.%d", l.hosts), name, prepare...)
}

func (l *lan) nodeAt(host, name string, prepare ...func(*Node)) *actor {
	l.t.Helper()
	n, err := New(name)
	if err != nil {
		l.t.Fatal(err)
	}
	n.world.Transport = l.memory.Host(host)
	n.world.Beacon = func(int) sight.Source { return l.hub.Host(host) }
	n.settings.endpoint = "tcp://" + host + ":*"
	for _, p := range prepare {
		p(n)
	}
	if err := n.Start(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
	return &actor{n, l, host}
}

// next returns the next event as a line of text.
func (a *actor) next(within time.Duration) string {
	a.lan.t.Helper()
	ctx, cancel := context.WithTimeout(a.lan.t.Context(), within)
	defer cancel()
	e, err := a.Recv(ctx)
	if err != nil {
		return err.Error()
	}
	words := []string{e.Type().String(), e.Peer().Name(), e.Group(), e.Reason()}
	for _, frame := range e.Msg() {
		words = append(words, fmt.Sprintf("%q", frame))
	}
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
}

// after is next, but for what is said of rendezvous servers: a test that is about others waits
// for none of that.
func (a *actor) after(within time.Duration) string {
	a.lan.t.Helper()
	for {
		got := a.next(within)
		if !strings.HasPrefix(got, "network no rendezvous server is of use") && !strings.HasPrefix(got, "network a rendezvous server is of use") {
			return got
		}
	}
}

// wants holds the next events against lines of text.
func (a *actor) wants(lines ...string) {
	a.lan.t.Helper()
	for _, want := range lines {
		if got := a.after(time.Minute); got != want {
			a.lan.t.Fatalf("%s got %q, want %q", a.Name(), got, want)
		}
	}
}

// idle expects that nothing happens for a while.
func (a *actor) idle(d time.Duration) {
	a.lan.t.Helper()
	if got := a.next(d); got != context.DeadlineExceeded.Error() {
		a.lan.t.Fatalf("%s got %q, want silence", a.Name(), got)
	}
}

// unreached expects nothing for a while but that nodes are unreachable, so many at most.
func (a *actor) unreached(d time.Duration, most int) {
	a.lan.t.Helper()
	for end := time.Now().Add(d); ; most-- {
		got := a.next(time.Until(end))
		if got == context.DeadlineExceeded.Error() {
			return
		}
		if !strings.HasPrefix(got, "unreachable") || most == 0 {
			a.lan.t.Fatalf("%s got %q", a.Name(), got)
		}
	}
}

func (a *actor) must(err error) {
	a.lan.t.Helper()
	if err != nil {
		a.lan.t.Fatalf("%s: %v", a.Name(), err)
	}
}

func text(frames ...string) [][]byte {
	content := make([][]byte, len(frames))
	for i, f := range frames {
		content[i] = []byte(f)
	}
	return content
}

func TestConversation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		l := newLAN(t)
		ana := l.node("ana", func(n *Node) {
			_ = n.Join("room")
			_ = n.SetHeader("X-ROLE", "sensor")
		})
		defer ana.Stop()
		ben := l.node("ben")
		ana.wants("enter ben")
		ben.wants("enter ana", "join ana room")

		ben.must(ben.Join("room"))
		ana.wants("join ben room")
		ana.must(ana.Whisper(ctx, ben.UUID(), text("one", "", "three")))
		ben.wants(`whisper ana "one" "" "three"`)
		receivers, err := ben.Shout(ctx, "room", text("hello", "all"))
		if err != nil || receivers != 1 {
			t.Fatalf("shout: %d receivers, %v", receivers, err)
		}
		ana.wants(`shout ben room "hello" "all"`)
		if receivers, err := ben.Shout(ctx, "nowhere", text("x")); receivers != 0 || err != nil {
			t.Fatalf("shout to nobody: %d receivers, %v", receivers, err)
		}

		p, err := ben.Peer(ana.UUID())
		if err != nil || p.Header("X-ROLE") != "sensor" || p.Endpoint() != ana.Endpoint() || p.Incarnation() == 0 {
			t.Fatalf("ben knows of ana %+v, %v", p, err)
		}
		if got := ben.PeersByGroup("room"); len(got) != 1 || got[0].Name() != "ana" {
			t.Fatalf("ben knows in the room %v", got)
		}
		if got := ben.PeerGroups(); !slices.Equal(got, []string{"room"}) {
			t.Fatalf("ben knows groups %v", got)
		}
		ben.must(ben.Leave("room"))
		ana.wants("leave ben room")
		ana.idle(time.Hour) // a healthy quiet peer is never suspect

		ben.Stop()
		ana.wants("exit ben left")
		ben.wants("exit ana stopped", api.ErrStopped.Error())
		if err := ben.Whisper(ctx, ana.UUID(), text("x")); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("whisper of a node that has stopped: %v", err)
		}
		if err := ana.Whisper(ctx, ben.UUID(), text("x")); !errors.Is(err, api.ErrNoPeer) {
			t.Fatalf("whisper to a peer that is gone: %v", err)
		}
	})
}

func TestOrderIsKeptBetweenContentAndControl(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana, ben := l.node("ana"), l.node("ben")
		defer ana.Stop()
		defer ben.Stop()
		ana.wants("enter ben")
		ben.wants("enter ana")
		for i := range 50 {
			group := fmt.Sprint("g", i)
			ana.must(ana.Whisper(t.Context(), ben.UUID(), text("before "+group)))
			ana.must(ana.Join(group))
			ana.must(ana.Whisper(t.Context(), ben.UUID(), text("in "+group)))
			ana.must(ana.Leave(group))
		}
		for i := range 50 {
			ben.wants(
				fmt.Sprintf(`whisper ana "before g%d"`, i), fmt.Sprintf("join ana g%d", i),
				fmt.Sprintf(`whisper ana "in g%d"`, i), fmt.Sprintf("leave ana g%d", i))
		}
	})
}

func TestRestartReplaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana, ben := l.node("ana"), l.node("ben")
		defer ana.Stop()
		ana.wants("enter ben")
		ben.wants("enter ana")
		l.memory.Refuse(ben.host, true)
		l.hub.Cut(func(from, to string) bool { return from == ben.host })
		ben.kill()
		l.hub.Cut(nil)
		l.memory.Refuse(ben.host, false)
		again := l.nodeAt("10.0.0.9", "ben again", func(n *Node) { _ = n.SetIdentity(ben.guard.Identity) })
		defer again.Stop()
		ana.wants("exit ben replaced", "enter ben again")
		again.wants("enter ana")
		ana.idle(time.Minute)
	})
}

// kill stops a node without a word to anybody.
func (a *actor) kill() {
	a.settings.Linger = 0
	for _, other := range []string{a.host} {
		a.lan.memory.Cut(other)
	}
	a.loop.do(func() {
		for id, p := range a.loop.peers {
			a.loop.withdraw(id)
			if p.ours != nil {
				a.loop.hangUp(p.ours.id)
			}
		}
	})
	a.Stop()
}

func TestBrokenConnectionIsNoExit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana, ben := l.node("ana"), l.node("ben")
		defer ana.Stop()
		defer ben.Stop()
		ana.wants("enter ben")
		ben.wants("enter ana")
		for i := range 10 {
			l.memory.Cut(ben.host)
			ana.must(ana.Join(fmt.Sprint("g", i)))
			ben.wants(fmt.Sprint("join ana g", i))
			ana.must(ana.Whisper(t.Context(), ben.UUID(), text("after")))
			ben.wants(`whisper ana "after"`)
		}
		ana.idle(time.Minute)
		ben.idle(time.Minute)
	})
}

func TestDeadEndpointHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana := l.node("ana")
		defer ana.Stop()
		id := uuid.New()
		l.memory.Partition(ana.host, "10.0.0.99", true)
		ana.loop.post(zre.Sighted{Peer: id, Endpoint: sight.At("10.0.0.99", 1)})
		time.Sleep(time.Millisecond) // virtual: the dead endpoint is being tried
		ben := l.node("ben", with(api.NodeSecurityPlain), func(n *Node) { n.plain = id })
		defer ben.Stop()
		start := time.Now()
		ana.wants("enter ben")
		if d := time.Since(start); d > time.Second {
			t.Errorf("it took %v", d)
		}
	})
}

func TestSilenceIsSuspectThenGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana, ben := l.node("ana"), l.node("ben")
		defer ana.Stop()
		defer ben.Stop()
		ana.wants("enter ben")
		ben.wants("enter ana")
		l.part(ana, ben, true)
		ana.wants("suspect ben")
		ben.wants("suspect ana")
		l.part(ana, ben, false)
		ana.wants("recover ben")
		ana.idle(time.Minute)
		l.part(ana, ben, true)
		start := time.Now()
		ana.wants("suspect ben", "exit ben expired")
		if d := time.Since(start); d < 24*time.Second || d > 36*time.Second {
			t.Fatalf("gone after %v, want about 30 s after the last word", d)
		}
		ben.wants("recover ana", "suspect ana", "exit ana expired")
		l.part(ana, ben, false)
		ana.wants("enter ben")
		ben.wants("enter ana")
	})
}

// part cuts two nodes off from each other, or heals that.
func (l *lan) part(a, b *actor, on bool) {
	l.memory.Partition(a.host, b.host, on)
	if !on {
		l.hub.Cut(nil)
		return
	}
	l.hub.Cut(func(from, to string) bool { return true })
}

func TestSlowApplicationHoldsBackItsSendersOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		small := func(n *Node) { n.settings.Inbox, n.settings.Outbox = 8<<10, 8<<10 }
		ana, ben, cleo := l.node("ana", small), l.node("ben", small), l.node("cleo", small)
		defer ana.Stop()
		defer ben.Stop()
		defer cleo.Stop()
		synctest.Wait()
		time.Sleep(3 * time.Second) // virtual: until all know all
		content := [][]byte{make([]byte, 1024)}
		sent := 0
		for {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			err := ana.Whisper(ctx, ben.UUID(), content)
			cancel()
			if errors.Is(err, context.DeadlineExceeded) {
				break
			}
			ana.must(err)
			sent++
		}
		ana.must(ana.Whisper(t.Context(), cleo.UUID(), text("you are not slow")))
		time.Sleep(10 * time.Minute) // virtual: nobody is given up
		ana.must(ana.Join("room"))
		seen := map[string]int{}
		for seen["join ana room"] == 0 {
			line := ben.next(time.Minute)
			seen[strings.SplitN(line, `"`, 2)[0]]++
		}
		if got := seen["whisper ana "]; got != sent || seen["enter ana"] != 1 || seen["exit ana expired"] != 0 {
			t.Fatalf("ben saw %v of %d whispers", seen, sent)
		}
	})
}

func TestUnreadTidingsStayBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana, ben := l.node("ana"), l.node("ben")
		defer ana.Stop()
		defer ben.Stop()
		ben.wants("enter ana")
		for range 5000 {
			ana.must(ana.Join("room"))
			ana.must(ana.Leave("room"))
		}
		ana.must(ana.Join("room"))
		time.Sleep(time.Second)
		unread, in := 0, false
		for line := ben.next(time.Second); line != context.DeadlineExceeded.Error(); line = ben.next(time.Second) {
			if (line == "join ana room") == in {
				t.Fatalf("%q comes twice", line)
			}
			unread, in = unread+1, !in
		}
		if unread > compactFrom {
			t.Fatalf("%d tidings wait", unread)
		}
		if !in {
			t.Fatal("the last join was not told")
		}
	})
}

func TestBlockedWhisperEndsWhenThePeerGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		small := func(n *Node) { n.settings.Inbox, n.settings.Outbox = 4<<10, 4<<10 }
		ana, ben := l.node("ana", small), l.node("ben", small)
		defer ana.Stop()
		ana.wants("enter ben")
		stopped := make(chan struct{})
		time.AfterFunc(time.Minute, func() { ben.Stop(); close(stopped) })
		var err error
		for err == nil {
			err = ana.Whisper(t.Context(), ben.UUID(), text(strings.Repeat("x", 1000)))
		}
		if !errors.Is(err, api.ErrNoPeer) {
			t.Fatalf("whisper ended with %v", err)
		}
		<-stopped
	})
}

func TestSettingsAreChecked(t *testing.T) {
	n, err := New("")
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	if len(n.Name()) != 6 {
		t.Errorf("name %q", n.Name())
	}
	if err := n.SetHeader("X-ONCE-CARD", "x"); !errors.Is(err, api.ErrReserved) {
		t.Errorf("a reserved header: %v", err)
	}
	if err := n.SetEvasiveTimeout(time.Hour); err != nil {
		t.Error(err)
	}
	if err := n.Start(t.Context()); !errors.Is(err, api.ErrTimeouts) {
		t.Errorf("evasive after expired: %v", err)
	}
	if err := n.SetLinger(0); err != nil {
		t.Errorf("a setting after a start that failed: %v", err)
	}
	if err := n.Whisper(t.Context(), n.UUID(), text("x")); !errors.Is(err, api.ErrNotRunning) {
		t.Errorf("whisper before the start: %v", err)
	}
	n.Stop()
	if err := n.SetPort(1); !errors.Is(err, api.ErrStarted) {
		t.Errorf("a setting after the stop: %v", err)
	}
	if err := n.Join("room"); !errors.Is(err, api.ErrStopped) {
		t.Errorf("join after the stop: %v", err)
	}
	if _, err := n.Recv(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("recv after the stop: %v", err)
	}
}

func TestManyNodesMeet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const count = 32
		l := newLAN(t)
		nodes := make([]*actor, count)
		for i := range nodes {
			nodes[i] = l.node(fmt.Sprint("node ", i), func(n *Node) { _ = n.Join("all") })
			defer nodes[i].Stop()
		}
		start := time.Now()
		for _, a := range nodes {
			for known := map[string]bool{}; len(known) < count-1; {
				e, err := a.Recv(t.Context())
				a.must(err)
				if e.Type() == api.EventTypeJoin {
					known[e.Peer().Name()] = true
				} else if e.Type() != api.EventTypeEnter {
					t.Fatalf("%s got %s", a.Name(), e.Type())
				}
			}
		}
		if d := time.Since(start); d > 2*time.Second {
			t.Errorf("all know all only after %v", d)
		}
		receivers, err := nodes[0].Shout(t.Context(), "all", text("hello"))
		if err != nil || receivers != count-1 {
			t.Fatalf("shout to %d: %v", receivers, err)
		}
		for _, a := range nodes[1:] {
			a.wants(`shout node 0 all "hello"`)
		}
	})
}
