package interop

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// ourNode is a node of ours on loopback.
type ourNode struct {
	*once.Node
	t   testing.TB
	ctx context.Context
}

// startOurs starts a node with a header of its name.
func startOurs(t testing.TB, config once.Config) *ourNode {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	config.Headers = map[string]string{"X-NAME": config.Name}
	config.Interval = 50 * time.Millisecond
	node, err := once.Start(ctx, config)
	must(t, err)
	t.Cleanup(func() { node.Close(); cancel() })
	return &ourNode{node, t, ctx}
}

// sees waits for an event, as tell puts it, and drops those before it. The event
// is valid until the next.
func (n *ourNode) sees(want string) once.Event {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.ctx, patience)
	defer cancel()
	others := []string{}
	for {
		event, err := n.Next(ctx)
		if err != nil {
			n.t.Fatalf("we have not seen %.60q but %.60q: %v", want, others, err)
		}
		got := tell(event)
		if got == want {
			return event
		}
		others = append(others, got)
	}
}

func tell(event once.Event) string {
	name := event.About().Peer.Name()
	switch e := event.(type) {
	case *once.Enter:
		return fmt.Sprintf("enter %s %s", name, e.Peer.Header("X-NAME"))
	case *once.Exit:
		return fmt.Sprintf("exit %s", name)
	case *once.Join:
		return fmt.Sprintf("join %s %s", name, e.Group)
	case *once.Leave:
		return fmt.Sprintf("leave %s %s", name, e.Group)
	case *once.Whisper:
		return fmt.Sprintf("whisper %s %s", name, bytes.Join(e.Content, []byte("|")))
	case *once.Shout:
		return fmt.Sprintf("shout %s %s %s", name, e.Group, bytes.Join(e.Content, []byte("|")))
	}
	return fmt.Sprintf("%T %s", event, name)
}

// hex writes a UUID as gyre does.
func hex(id uuid.UUID) string { return fmt.Sprintf("%X", id[:]) }

// TestGyreAndUs has gyre and us meet by beacon, and do all that both can.
func TestGyreAndUs(t *testing.T) {
	port := freePort(t)
	gyre := startGyre(t, "gyre", "lo", port)
	ours := startOurs(t, once.Config{Name: "ours", Interfaces: []string{"lo"}, BeaconPort: port, Groups: []string{"FIRST"}})

	them := ours.sees("enter gyre gyre").About().Peer
	if hex(them.UUID()) != gyre.uuid || !strings.HasPrefix(them.Endpoint(), "tcp://127.0.0.1:") {
		t.Errorf("gyre is %v at %s to us", them.UUID(), them.Endpoint())
	}
	if us := gyre.sees("enter ours 127.0.0.1"); us.Peer != hex(ours.UUID()) || us.Headers["X-NAME"] != "ours" {
		t.Errorf("we are %+v to gyre", us)
	}
	gyre.sees("join ours FIRST")

	gyre.do("join", "CHAT", "")
	ours.sees("join gyre CHAT")
	must(t, ours.Join("CHAT"))
	gyre.sees("join ours CHAT")

	large := strings.Repeat("large.", mebibyte)
	for _, text := range []string{"psst", "", "\x00\xff\x01", large} {
		gyre.do("whisper", hex(ours.UUID()), text)
		ours.sees("whisper gyre " + text)
		must(t, ours.Whisper(ours.ctx, them.UUID(), []byte(text)))
		gyre.sees(strings.TrimSuffix("whisper ours "+text, " "))
		gyre.do("shout", "CHAT", text)
		ours.sees("shout gyre CHAT " + text)
		if n, err := ours.Shout(ours.ctx, "CHAT", []byte(text)); n != 1 || err != nil {
			t.Errorf("shout to %d, %v", n, err)
		}
		gyre.sees(strings.TrimSuffix("shout ours CHAT "+text, " "))
	}

	must(t, ours.Leave("FIRST"))
	gyre.sees("leave ours FIRST")
	gyre.do("leave", "CHAT", "")
	ours.sees("leave gyre CHAT")
}

// TestWeLeaveGyre stops our node, which gyre hears of at once and survives.
func TestWeLeaveGyre(t *testing.T) {
	port := freePort(t)
	gyre := startGyre(t, "gyre", "lo", port)
	ours := startOurs(t, once.Config{Name: "ours", Interfaces: []string{"lo"}, BeaconPort: port})
	ours.sees("enter gyre gyre")
	gyre.sees("enter ours 127.0.0.1")
	must(t, ours.Close())
	gyre.sees("exit ours")

	again := startOurs(t, once.Config{Name: "again", Interfaces: []string{"lo"}, BeaconPort: port})
	again.sees("enter gyre gyre")
	gyre.sees("enter again 127.0.0.1")
}

// TestGyreLeavesUs ends gyre's process, and starts another of the same name.
func TestGyreLeavesUs(t *testing.T) {
	port := freePort(t)
	ours := startOurs(t, once.Config{Name: "ours", Interfaces: []string{"lo"}, BeaconPort: port,
		Evasive: 300 * time.Millisecond, Silent: 600 * time.Millisecond, Expired: 2 * time.Second})
	for range 2 {
		gyre := startGyre(t, "gyre", "lo", port)
		ours.sees("enter gyre gyre")
		gyre.sees("enter ours 127.0.0.1")
		gyre.stop()
		ours.sees("exit gyre")
	}
}

// TestLivesOn leaves gyre and us alone for longer than either waits for signs of
// life: 5 s for gyre.
func TestLivesOn(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	gyre := startGyre(t, "gyre", "lo", port)
	ours := startOurs(t, once.Config{Name: "ours", Interfaces: []string{"lo"}, BeaconPort: port,
		Evasive: 300 * time.Millisecond, Silent: 600 * time.Millisecond, Expired: 2 * time.Second})
	them := ours.sees("enter gyre gyre").About().Peer
	gyre.sees("enter ours 127.0.0.1")
	ctx, cancel := context.WithTimeout(ours.ctx, 7*time.Second)
	defer cancel()
	for event := range ours.Events(ctx) {
		t.Errorf("in peace and quiet we see %q", tell(event))
	}
	must(t, ours.Whisper(ours.ctx, them.UUID(), []byte("still there?")))
	if e := <-gyre.events; e.String() != "whisper ours still there?" {
		t.Errorf("gyre sees %q", e)
	}
}
