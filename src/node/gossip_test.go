package node

import (
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
)

// gossips lets a node be found by gossip alone.
func gossips(bind string, servers ...string) func(*Node) {
	return func(n *Node) {
		n.world.Beacon = nil // the settings are to choose
		n.settings.interfaces = []string{"127.0.0.1"}
		if bind != "" {
			_ = n.GossipBind(bind)
		}
		for _, server := range servers {
			_ = n.GossipConnect(server)
		}
	}
}

func TestGossip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		hub := l.node("hub", gossips("tcp://10.0.0.1:5670"))
		ana := l.node("ana", gossips("", "tcp://10.0.0.1:5670", "tcp://10.0.0.99:5670"))
		hub.wants("enter ana")
		ana.wants("enter hub")
		ben := l.node("ben", gossips("", "tcp://10.0.0.1:5670"))
		defer ben.Stop()
		hub.wants("enter ben")
		ana.wants("enter ben")

		hub.Stop() // the conversations go on without it, and when it returns
		ana.wants("exit hub left")
		ana.must(ana.Whisper(t.Context(), ben.UUID(), text("still here")))
		hub = l.nodeAt("10.0.0.1", "hub again", gossips("tcp://10.0.0.1:5670"))
		defer hub.Stop()
		ana.wants("enter hub again")
		ana.must(ana.GossipUnpublish(ben.UUID()))
		ana.Stop()
		if err := ana.GossipUnpublish(ben.UUID()); !errors.Is(err, api.ErrStopped) {
			t.Errorf("unpublish of a node that has stopped: %v", err)
		}
	})
}

// A node that is somebody new where somebody else has been is told of its former self by
// gossip, which it does not take for another.
func TestGossipOfAFormerSelf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		at := func(n *Node) { n.settings.endpoint = "tcp://10.0.0.2:5671" }
		hub := l.node("hub", gossips("tcp://10.0.0.1:5670"))
		defer hub.Stop()
		ana := l.node("ana", gossips("", "tcp://10.0.0.1:5670"), at)
		hub.wants("enter ana")
		ana.wants("enter hub")
		ana.kill()
		hub.wants("exit ana network")
		again := l.nodeAt("10.0.0.2", "ana again", gossips("", "tcp://10.0.0.1:5670"), at)
		defer again.Stop()
		hub.wants("enter ana again")
		again.wants("enter hub")
		again.idle(20 * time.Minute)
		if again.Counts()["sightings at this node's endpoint"] == 0 {
			t.Errorf("nobody told of the former self: %v", again.Counts())
		}
	})
}

// A peer that was lost is met again, although nobody publishes it anew.
func TestGossipHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		hub := l.node("hub", gossips("tcp://10.0.0.1:5670"))
		defer hub.Stop()
		ana := l.node("ana", gossips("", "tcp://10.0.0.1:5670"))
		defer ana.Stop()
		ben := l.node("ben", gossips("", "tcp://10.0.0.1:5670"))
		defer ben.Stop()
		met := []string{ana.next(time.Minute), ana.next(time.Minute)}
		if slices.Sort(met); !slices.Equal(met, []string{"enter ben", "enter hub"}) {
			t.Fatalf("ana got %q", met)
		}
		l.memory.Partition(ana.host, ben.host, true)
		ana.wants("suspect ben", "exit ben expired")
		if got := ana.next(time.Minute); !strings.HasPrefix(got, "unreachable") || !strings.Contains(got, ben.Endpoint()) {
			t.Errorf("ana got %q", got)
		}
		ana.idle(time.Minute)
		l.memory.Partition(ana.host, ben.host, false)
		if got := ana.next(10 * time.Second); got != "enter ben" {
			t.Errorf("healed, ana got %q", got)
		}
	})
}

// relay is a router that sends on what comes to an endpoint.
func relay(t *testing.T, l *lan, host, from, to string) {
	transport := l.memory.Host(host)
	listener, err := transport.Listen(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	pass := func(a, b net.Conn) {
		_, _ = io.Copy(a, b)
		_ = a.Close()
	}
	work.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := transport.Dial(t.Context(), to)
			if err != nil {
				_ = near.Close()
				continue
			}
			work.Go(func() { pass(near, far) })
			work.Go(func() { pass(far, near) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		work.Wait()
	})
}

// Advertised is what peers and gossip are told, whatever is true.
func TestAdvertisedEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		hub := l.node("hub", gossips("tcp://10.0.0.1:5670"))
		defer hub.Stop()
		ana := l.node("ana", gossips("", "tcp://10.0.0.1:5670"), func(n *Node) {
			n.settings.endpoint = "tcp://10.0.0.2:7"
			_ = n.SetAdvertisedEndpoint("tcp://10.0.0.3:8")
		})
		defer ana.Stop()
		relay(t, l, "10.0.0.3", "tcp://10.0.0.3:8", "tcp://10.0.0.2:7")
		hub.wants("enter ana")
		ana.wants("enter hub")
		peer, err := hub.Peer(ana.UUID())
		if err != nil || peer.Endpoint() != "tcp://10.0.0.3:8" || ana.Endpoint() != "tcp://10.0.0.2:7" {
			t.Errorf("the hub knows %v, %v", peer, err)
		}
	})
}
