package share

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/control"
	"github.com/sjohnr/at-once/src/identity"
)

// shares has a node have the identity in a directory, and be shared.
func shares(t *testing.T, dir string) func(*Node) {
	return func(n *Node) {
		who, err := identity.Open(dir)
		if err == nil {
			err = errors.Join(n.SetIdentity(who), n.SetShared(true))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestSecondNodeSharesTheFirst starts two nodes with one directory, and talks through both.
// The second lives as long as the first.
func TestSecondNodeSharesTheFirst(t *testing.T) {
	l, dir := newLAN(t), filepath.Join(t.TempDir(), "ana")
	first := l.node("ana", shares(t, dir))
	defer first.Stop()
	ben := l.node("ben", in("room"))
	defer ben.Stop()
	ben.wants("enter ana")
	second := l.node("zoe", shares(t, dir), in("room"))
	if first.Holder() != "" || second.Holder() != identity.Here() || second.Name() != "ana" || second.UUID() != first.UUID() || second.Endpoint() != first.Endpoint() {
		t.Errorf("%s shares %s of %q", second.Name(), first.Name(), second.Holder())
	}
	second.wants("enter ben", "join ben room")
	ben.wants("join ana room")
	ben.must(second.Whisper(t.Context(), ben.UUID(), text("one")))
	receivers, err := second.Shout(t.Context(), "room", text("two"))
	ben.must(err)
	if receivers != 1 {
		t.Errorf("%d receivers", receivers)
	}
	ben.must(second.Flush(t.Context()))
	ben.wants("whisper ana \"one\"", "shout ana room \"two\"")
	ben.must(ben.Whisper(t.Context(), second.UUID(), text("three")))
	first.wants("enter ben", "join ben room", "whisper ben \"three\"")
	second.wants("whisper ben \"three\"")
	if got := second.Peers(); len(got) != 1 || got[0].Name() != "ben" || len(second.PeersByGroup("room")) != 1 ||
		!slices.Equal(second.PeerGroups(), []string{"room"}) || !slices.Equal(second.OwnGroups(), []string{"room"}) {
		t.Errorf("peers are %v in %q, own groups %q", got, second.PeerGroups(), second.OwnGroups())
	}
	if p, err := second.Peer(ben.UUID()); err != nil || p.Name() != "ben" {
		t.Errorf("ben is %v, %v", p, err)
	}
	if _, err := second.Peer(first.UUID()); !errors.Is(err, api.ErrNoPeer) {
		t.Errorf("of who is not there: %v", err)
	}
	if v, err := second.Snapshot(); err != nil || len(v.Peers()) != 1 {
		t.Errorf("the snapshot is %v, %v", v, err)
	}
	first.front.Count("tests")
	if counts := second.Counts(); !equal(counts, first.Counts()) {
		t.Errorf("counts are %v, want %v", counts, first.Counts())
	}
	if err := second.GossipUnpublish(ben.UUID()); !errors.Is(err, api.ErrAttached) {
		t.Errorf("what cannot be shared: %v", err)
	}
	third := l.node("", shares(t, dir))
	ben.must(third.Stop())
	ben.must(third.Stop())
	ben.idle(200 * time.Millisecond) // who shares a node and goes is not heard of
	ben.must(second.Stop())
	if _, err := second.Recv(t.Context()); !errors.Is(err, api.ErrStopped) {
		t.Errorf("after the end: %v", err)
	}
	if err := second.Whisper(t.Context(), ben.UUID(), text("late")); !errors.Is(err, api.ErrStopped) {
		t.Errorf("after the end a whisper fails with %v", err)
	}
	ben.must(first.Stop())
	fourth := l.node("dora", shares(t, dir))
	if fourth.Holder() != "" {
		t.Error("the next one shares a node that has ended")
	}
	ben.must(fourth.Stop())
	if _, err := os.Stat(filepath.Join(dir, "control")); err == nil {
		t.Error("the socket outlives the node")
	}
}

// TestQuestionsThroughTheNode has programs that share a node ask, and answer: the first that
// does.
func TestQuestionsThroughTheNode(t *testing.T) {
	l, dir := newLAN(t), filepath.Join(t.TempDir(), "ana")
	first := l.node("ana", shares(t, dir))
	defer first.Stop()
	ben := l.node("ben")
	defer ben.Stop()
	ben.wants("enter ana")
	second := l.node("zoe", shares(t, dir))
	defer second.Stop()
	first.wants("enter ben")
	second.wants("enter ben")
	asks := func(who, whom *actor, ctx context.Context) <-chan string {
		told := make(chan string, 1)
		go func() {
			e, err := who.Ask(ctx, whom.UUID(), text("what?"))
			if err != nil {
				told <- err.Error()
				return
			}
			told <- fmt.Sprintf("%s %d %s", e.Peer().Name(), e.Status(), e.Msg())
		}()
		return told
	}
	question := func(a *actor) uint64 {
		e, err := a.Recv(t.Context())
		if err != nil || e.Question() == 0 || string(e.Msg()[0]) != "what?" {
			t.Fatalf("%s got %v, %v", a.Name(), e, err)
		}
		return e.Question()
	}
	said := func(told <-chan string, want string) {
		t.Helper()
		if got := <-told; got != want {
			t.Errorf("the answer is %q, want %q", got, want)
		}
	}
	told := asks(second, ben, t.Context())
	ben.must(ben.Reply(t.Context(), question(ben), 2, text("this", "that")))
	said(told, "ben 2 [this that]")
	told = asks(ben, first, t.Context())
	number := question(first)
	if question(second) != number {
		t.Error("the two have different numbers")
	}
	ben.must(second.Reply(t.Context(), number, 0, text("yes")))
	said(told, "ana 0 [yes]")
	for _, n := range []*actor{first, second} {
		if err := n.Reply(t.Context(), number, 0, text("no")); !errors.Is(err, api.ErrAnswered) {
			t.Errorf("a second reply: %v", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	told = asks(second, ben, ctx)
	question(ben)
	ben.must(second.Flush(t.Context()))
	cancel()
	said(told, "the peer has the question, and has not answered it: context canceled")
	told = asks(second, ben, t.Context())
	question(ben)
	ben.must(first.Stop())
	if got := <-told; !strings.Contains(got, api.ErrUndelivered.Error()) && !strings.Contains(got, api.ErrNoAnswer.Error()) {
		t.Errorf("the process ends: %q", got)
	}
}

// TestNodeOutlivesWhoRunsIt has three nodes share the one of a fourth, which stops: one of
// them runs the node then, the others share that, and all go on. So it is when that stops.
func TestNodeOutlivesWhoRunsIt(t *testing.T) {
	l, dir := newLAN(t), filepath.Join(t.TempDir(), "ana")
	first := l.node("ana", shares(t, dir))
	ben := l.node("ben", in("room"))
	defer ben.Stop()
	ben.wants("enter ana")
	nodes := make([]*actor, 3)
	for i := range nodes {
		nodes[i] = l.node("", shares(t, dir), in("room"))
		nodes[i].wants("enter ben", "join ben room")
	}
	before, err := nodes[0].Snapshot()
	ben.must(err)
	ben.must(first.Stop())
	holders := map[string]int{}
	for i, n := range nodes {
		if got := n.next(time.Minute); got != "exit ben stopped" {
			t.Fatalf("node %d is told %q", i, got)
		}
		told := []string{n.next(time.Minute), n.next(time.Minute), n.next(time.Minute)}
		slices.Sort(told)
		if told[0] != "enter ben" || told[1] != "join ben room" || !strings.HasPrefix(told[2], "network process ") {
			t.Fatalf("node %d is told %q", i, told)
		}
		holders[n.Holder()]++
		after, err := n.Snapshot()
		ben.must(err)
		if n.Name() != "ana" || n.UUID() != first.UUID() || after.Version() <= before.Version() || !slices.Equal(n.OwnGroups(), []string{"room"}) {
			t.Errorf("node %d is %s in %q, and knows version %d, of %d before", i, n.Name(), n.OwnGroups(), after.Version(), before.Version())
		}
		ben.must(n.Whisper(t.Context(), ben.UUID(), text("I am here")))
		ben.must(n.Flush(t.Context()))
	}
	if holders[""] != 1 || holders[identity.Here()] != 2 {
		t.Errorf("the node runs in %v", holders)
	}
	for _, n := range nodes {
		ben.must(n.Stop())
	}
}

// TestWhatIsLostWithWhoRunsTheNode says something that the peer does not get before the
// process ends that runs the node: who has said it is told.
func TestWhatIsLostWithWhoRunsTheNode(t *testing.T) {
	l, dir := newLAN(t), filepath.Join(t.TempDir(), "ana")
	first := l.node("ana", shares(t, dir), func(n *Node) { _ = n.SetLinger(0) })
	ben := l.node("ben")
	defer ben.Stop()
	first.wants("enter ben")
	second := l.node("", shares(t, dir))
	second.wants("enter ben")
	third := l.node("", shares(t, dir))
	defer third.Stop()
	third.wants("enter ben")
	ben.must(third.Whisper(t.Context(), ben.UUID(), text("found")))
	ben.must(third.Flush(t.Context()))
	l.memory.Partition(first.host, ben.host, true)
	ben.must(second.Whisper(t.Context(), ben.UUID(), text("lost")))
	flushed := make(chan error, 1)
	go func() { flushed <- second.Flush(t.Context()) }()
	if err := first.Stop(); !errors.Is(err, api.ErrUndelivered) {
		t.Errorf("who ran the node is told %v", err)
	}
	if err := <-flushed; !errors.Is(err, api.ErrUndelivered) || !strings.Contains(err.Error(), "1 message") {
		t.Errorf("who has said what is lost is told %v", err)
	}
	ben.must(second.Stop())
	if err := third.Flush(t.Context()); err != nil {
		t.Errorf("who knows that it has arrived is told %v", err)
	}
}

func equal(a, b map[string]uint64) bool {
	for name, count := range a {
		if b[name] < count {
			return false
		}
	}
	return len(a) > 0
}

// TestManyStartersShareOneNode starts nodes with one directory at the same time: one runs,
// the others share it.
func TestManyStartersShareOneNode(t *testing.T) {
	l, dir := newLAN(t), filepath.Join(t.TempDir(), "ana")
	nodes := make([]*Node, 8)
	for i := range nodes {
		n, err := New("")
		if err == nil {
			err = n.SetEndpoint("tcp://10.0.0.1:*")
		}
		if err != nil {
			t.Fatal(err)
		}
		shares(t, dir)(n)
		nodes[i] = n
	}
	var all sync.WaitGroup
	for _, n := range nodes {
		all.Go(func() {
			if err := n.Start(l.at("10.0.0.1")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	run := 0
	for _, n := range nodes {
		if n.Holder() == "" {
			run++
		}
	}
	if run != 1 {
		t.Errorf("%d nodes run", run)
	}
	for _, n := range nodes {
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
	}
}

// TestNodeThatIsNotSharedIsInUse starts a second node where the first does not want that.
func TestNodeThatIsNotSharedIsInUse(t *testing.T) {
	l, dir := newLAN(t), filepath.Join(t.TempDir(), "ana")
	who, err := identity.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	first := l.node("ana", func(n *Node) { _ = n.SetIdentity(who) })
	defer first.Stop()
	second, err := New("")
	if err != nil {
		t.Fatal(err)
	}
	shares(t, dir)(second)
	if err := second.Start(t.Context()); !errors.Is(err, api.ErrInUse) || !errors.Is(err, control.ErrAbsent) {
		t.Errorf("the second fails with %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := second.Start(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

// TestProgramIsNotSharedPlainer has a node run, and programs that ask for more protection
// than it has: none of them is attached to it, and those that ask for less are.
func TestProgramIsNotSharedPlainer(t *testing.T) {
	l, dir := newLAN(t), filepath.Join(t.TempDir(), "ana")
	first := l.node("ana", shares(t, dir), func(n *Node) { _ = n.SetSealed("vault") })
	defer first.Stop()
	for _, c := range []struct {
		what string
		asks func(*Node) error
		want string // what the error says; empty for none
	}{
		{"nothing", func(*Node) error { return nil }, ""},
		{"what it has", func(n *Node) error {
			return errors.Join(n.SetSecurity(api.NodeSecurityAuto), n.SetTrust(api.NodeTrustOpen), n.SetSealed("vault"))
		}, ""},
		{"security", func(n *Node) error { return n.SetSecurity(api.NodeSecuritySecure) }, "it runs with security auto, and this program asks for secure"},
		{"trust", func(n *Node) error { return n.SetTrust(api.NodeTrustFirstUse) }, "it runs with trust open, and this program asks for first use"},
		{"sealed", func(n *Node) error { return n.SetSealed("room") }, `it does not keep the group "room" sealed, as this program asks for`},
	} {
		n, err := New("zoe")
		first.must(err)
		shares(t, dir)(n)
		first.must(c.asks(n))
		switch err := n.Start(t.Context()); {
		case c.want == "" && (err != nil || n.Holder() == ""):
			t.Errorf("who asks for %s is not attached: %v", c.what, err)
		case c.want != "" && (!errors.Is(err, api.ErrInUse) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("who asks for %s: error %v, want %q", c.what, err, c.want)
		}
		_ = n.Stop()
	}
}
