package share

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sjohnr/at-once/src/beacon"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/world"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lan is a network in memory.
type lan struct {
	t      *testing.T
	memory *link.Memory
	hub    *beacon.Hub
	hosts  int
}

func newLAN(t *testing.T) *lan {
	delay := func(from, to string) time.Duration { return time.Millisecond }
	return &lan{t: t, memory: link.NewMemory(delay), hub: beacon.NewHub(0)}
}

// at returns a context in which nodes start on a host.
func (l *lan) at(host string) context.Context {
	return world.With(l.t.Context(), &world.World{
		Transport: l.memory.Host(host),
		Beacon:    func(int) sight.Source { return l.hub.Host(host) },
		Now:       time.Now,
		Random:    func(string) float64 { return 0.5 },
	})
}

// actor is a node and the events that a test expects of it.
type actor struct {
	*Node
	lan  *lan
	host string
}

// node makes a node on a host of its own; prepare may change it before it starts.
func (l *lan) node(name string, prepare ...func(*Node)) *actor {
	l.t.Helper()
	l.hosts++
	host := fmt.Sprintf("10.0.0.%d", l.hosts)
	n, err := New(name)
	if err == nil {
		err = n.SetEndpoint("tcp://" + host + ":*")
	}
	if err != nil {
		l.t.Fatal(err)
	}
	for _, p := range prepare {
		p(n)
	}
	if err := n.Start(l.at(host)); err != nil {
		l.t.Fatal(err)
	}
	return &actor{n, l, host}
}

// in has a node be in a group.
func in(group string) func(*Node) { return func(n *Node) { _ = n.Join(group) } }

// next returns the next event in words.
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

// wants expects events.
func (a *actor) wants(lines ...string) {
	a.lan.t.Helper()
	for _, want := range lines {
		if got := a.next(time.Minute); got != want {
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
