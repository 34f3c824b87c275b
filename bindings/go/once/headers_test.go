package once_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/bindings/go/once"
	"github.com/sjohnr/at-once/bindings/go/once/oncetest"
)

// told returns what a node is told within a time, as words: of a peer that enters or has
// changed, its header too.
func told(t *testing.T, n *once.Node, within time.Duration) (words []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for event := range n.Events(ctx) {
		word := fmt.Sprintf("%T", event)[len("*once."):]
		switch e := event.(type) {
		case *once.Enter, *once.Changed:
			word += fmt.Sprint(" ", e.About().Peer.Headers())
			if p, err := n.Peer(e.About().Peer.UUID()); err != nil || p.Header("mood") != e.About().Peer.Header("mood") {
				t.Errorf("%v: the node knows %v, %v", e, p.Headers(), err)
			}
			if view, err := n.Snapshot(); err != nil || view.Version() < e.About().Version {
				t.Errorf("%v: version %d of %d, %v", e, e.About().Version, view.Version(), err)
			}
		}
		words = append(words, word)
	}
	return words
}

// TestHeadersChange has a node change its headers while it runs, through a partition that
// is shorter than what it takes to give somebody up, and one that is longer.
func TestHeadersChange(t *testing.T) {
	for _, security := range securities {
		t.Run(security.String(), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { headersChange(t, security) }) })
	}
}

func headersChange(t *testing.T, security once.Security) {
	network := oncetest.New(t, 3)
	network.SetLine(oncetest.Line{Delay: time.Millisecond})
	start := func(address, name string) (*oncetest.Host, *once.Node) {
		host := network.Host(address)
		n, err := once.Start(host.Context(), once.Config{Name: name, Security: security, Headers: map[string]string{"by": name}})
		if err != nil {
			t.Fatal(err)
		}
		return host, n
	}
	home, ana := start("10.0.0.1", "ana")
	away, ben := start("10.0.0.2", "ben")
	mood := func(value string) {
		t.Helper()
		if err := ana.SetHeader("mood", value); err != nil {
			t.Fatal(err)
		}
	}
	wants := func(within time.Duration, words ...string) {
		t.Helper()
		if got := told(t, ben, within); strings.Join(got, ", ") != strings.Join(words, ", ") {
			t.Fatalf("ben is told %q, want %q", got, words)
		}
	}
	wants(2*time.Second, "Enter map[by:ana]")

	mood("calm")
	wants(100*time.Millisecond, "Changed map[by:ana mood:calm]")
	mood("calm") // is no change
	wants(5 * time.Second)
	for i := range 1000 {
		mood(fmt.Sprint(i))
	}
	wants(3*time.Second, "Changed map[by:ana mood:0]", "Changed map[by:ana mood:999]")

	network.Partition([]*oncetest.Host{home}, []*oncetest.Host{away})
	mood("lonely")
	wants(3 * time.Second)
	network.Heal()
	wants(30*time.Second, "Changed map[by:ana mood:lonely]")

	network.Partition([]*oncetest.Host{home}, []*oncetest.Host{away})
	if err := ana.UnsetHeader("mood"); err != nil {
		t.Fatal(err)
	}
	wants(time.Minute, "Suspect", "Exit")
	network.Heal()
	wants(30*time.Second, "Enter map[by:ana]")

	for _, fault := range []struct{ got, want error }{
		{ana.UnsetHeader("mood"), once.ErrUnknown},
		{ana.UnsetHeader(""), once.ErrArgument},
		{ana.SetHeader("X-ONCE-CARD", "mine"), once.ErrReserved},
		{ana.SetHeader("", "nameless"), once.ErrArgument},
		{ana.SetHeader("long", strings.Repeat("x", 65280)), once.ErrHeaders},
	} {
		if !errors.Is(fault.got, fault.want) {
			t.Errorf("%v, want %v", fault.got, fault.want)
		}
	}
	wants(5 * time.Second)
	if err := ana.Close(); err != nil {
		t.Error(err)
	}
	if err := ana.SetHeader("mood", "gone"); !errors.Is(err, once.ErrStopped) {
		t.Errorf("after Close: %v", err)
	}
}
