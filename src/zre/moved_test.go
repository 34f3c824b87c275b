package zre

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/wire"
)

// TestPeerMoves lets a present peer greet from another address over a new
// connection: ours, to its old address, is made anew, and it stays present.
func TestPeerMoves(t *testing.T) {
	c := New(Config{ID: uuid.UUID{1}, Greeting: time.Minute, Evasive: time.Minute, Silent: time.Hour, Expired: 2 * time.Hour,
		Signs: func(uuid.UUID) Signs { return Signs{} }})
	id, now := uuid.UUID{2}, time.Unix(1e9, 0)
	step := func(in Input) (said []string) {
		now = now.Add(time.Second)
		for _, out := range c.Step(now, in) {
			switch out := out.(type) {
			case Connect:
				said = append(said, fmt.Sprint("connect ", out.Endpoints))
			case Finish:
				said = append(said, fmt.Sprint("finish ", out.Link))
			case Withdraw:
				said = append(said, "withdraw")
			case Disconnect:
				said = append(said, fmt.Sprint("disconnect ", out.Link))
			case Send:
				said = append(said, fmt.Sprintf("send %T", out.Message))
			case Event:
				said = append(said, out.Type.String())
			}
		}
		return said
	}
	hello := func(link LinkID, endpoint sight.Endpoint) Heard {
		return Heard{Peer: id, Link: link, Message: &zremsg.Hello{Endpoint: endpoint.String(), Headers: []wire.Pair{{Key: HeaderIncarnation, Value: "7"}}}}
	}
	old, moved := sight.At("10.0.0.2", 5), sight.At("10.0.0.3", 5)
	for _, test := range []struct {
		in   Input
		want []string
	}{
		{Sighted{id, old}, []string{"connect [" + old.String() + "]"}},
		{Linked{id, 11, old, sight.At("10.0.0.1", 1), true, 7, false}, []string{"send *zremsg.Hello"}},
		{hello(1, old), []string{"enter"}},
		{hello(2, old), []string{"finish 1"}},
		{Muted{id, 1}, []string{"send *zremsg.Ping"}},
		{hello(2, old), nil},
		{hello(3, moved), []string{"finish 2"}},
		{Muted{id, 2}, []string{"send *zremsg.Ping"}},
		{hello(3, moved), []string{"disconnect 11", "connect [" + moved.String() + " " + old.String() + "]"}},
		{Linked{id, 12, moved, sight.At("10.0.0.1", 1), true, 7, false}, []string{"send *zremsg.Hello", "send *zremsg.Ping"}},
		{hello(3, moved), nil},
	} {
		if got := step(test.in); !slices.Equal(got, test.want) {
			t.Errorf("%T%+v: %q, want %q", test.in, test.in, got, test.want)
		}
	}
}

// TestNewestEndpointFirst sights a peer at more endpoints than are kept.
func TestNewestEndpointFirst(t *testing.T) {
	c := New(Config{ID: uuid.UUID{1}, Greeting: time.Minute})
	var tried []sight.Endpoint
	for n := range 20 {
		for _, out := range c.Step(time.Unix(1e9, 0), Sighted{uuid.UUID{2}, sight.At(fmt.Sprintf("10.0.0.%d", n), 5)}) {
			tried = out.(Connect).Endpoints
		}
		if want := sight.At(fmt.Sprintf("10.0.0.%d", n), 5); tried[0] != want || len(tried) != min(n+1, maxEndpoints) {
			t.Fatalf("tries %q, want %q first", tried, want)
		}
	}
}

// TestClaimedEndpoint lets another claim the endpoint of a peer that has shown who it is,
// and that then hangs for a while: our connection to it stands, and nothing is lost.
func TestClaimedEndpoint(t *testing.T) {
	c := New(Config{ID: uuid.UUID{1}, Greeting: time.Minute, Evasive: 5 * time.Second, Silent: 10 * time.Second, Expired: 30 * time.Second,
		Signs: func(uuid.UUID) Signs { return Signs{} }})
	id, claimant, now := uuid.UUID{2}, uuid.UUID{3}, time.Unix(1e9, 0)
	endpoint := sight.At("10.0.0.2", 5)
	var events []string
	step := func(in Input) {
		for _, out := range c.Step(now, in) {
			switch out := out.(type) {
			case Event:
				events = append(events, out.Type.String())
			case Disconnect:
				t.Errorf("connection %d is ended after %T", out.Link, in)
			}
		}
	}
	hello := func(from uuid.UUID, link LinkID) Heard {
		return Heard{Peer: from, Link: link, Message: &zremsg.Hello{Endpoint: endpoint.String(), Headers: []wire.Pair{{Key: HeaderIncarnation, Value: "7"}}}}
	}
	step(Sighted{id, endpoint})
	step(Linked{id, 11, endpoint, sight.At("10.0.0.1", 1), true, 7, false})
	step(hello(id, 1))
	step(hello(claimant, 2))
	for range 20 {
		now = now.Add(time.Second)
		step(Tick{})
	}
	step(Heard{Peer: id, Link: 1, Message: &zremsg.PingOK{}})
	if want := []string{"enter", "suspect", "recover"}; !slices.Equal(events, want) {
		t.Errorf("events %q, want %q", events, want)
	}
}

// TestEndpointOfAnother sights a peer that has ended at the endpoint of one that is
// present, as gossip does for long: no firewall is to blame.
func TestEndpointOfAnother(t *testing.T) {
	c := New(Config{ID: uuid.UUID{1}, Greeting: 10 * time.Second, Evasive: time.Hour, Silent: 2 * time.Hour, Expired: 3 * time.Hour,
		Signs: func(uuid.UUID) Signs { return Signs{} }})
	endpoint := sight.At("10.0.0.2", 5)
	now := time.Unix(1e9, 0)
	c.Step(now, Sighted{uuid.UUID{2}, endpoint})
	c.Step(now, Linked{uuid.UUID{2}, 11, endpoint, sight.At("10.0.0.1", 1), true, 0, false})
	c.Step(now, Heard{Peer: uuid.UUID{2}, Link: 1, Message: &zremsg.Hello{Endpoint: endpoint.String()}})
	c.Step(now, Sighted{uuid.UUID{3}, endpoint})
	for _, out := range c.Step(now.Add(11*time.Second), Tick{}) {
		if u, ok := out.(Unreachable); ok {
			t.Errorf("tells that %v is unreachable", u.Peer.UUID())
		}
	}
	if c.peers[uuid.UUID{3}] != nil {
		t.Error("still tries")
	}
}

// TestStrays has our connection lead to an earlier life than the one that greets: it is
// made anew to where that says to be, and the other place is left alone for a while. A
// peer that shows there what it does not greet with is not connected to again and again.
func TestStrays(t *testing.T) {
	c := New(Config{ID: uuid.UUID{1}, Greeting: 10 * time.Second, Evasive: time.Minute, Silent: time.Hour, Expired: 2 * time.Hour,
		Signs: func(uuid.UUID) Signs { return Signs{} }})
	id, now := uuid.UUID{2}, time.Unix(1e9, 0)
	earlier, later := sight.At("10.0.0.2", 5), sight.At("10.0.0.3", 5)
	step := func(in Input) (said []string) {
		for _, out := range c.Step(now, in) {
			switch out := out.(type) {
			case Connect:
				said = append(said, fmt.Sprint("connect ", out.Endpoints))
			case Withdraw:
				said = append(said, "withdraw")
			case Disconnect:
				said = append(said, fmt.Sprint("disconnect ", out.Link))
			}
		}
		return said
	}
	wants := func(in Input, want ...string) {
		t.Helper()
		if got := step(in); !slices.Equal(slices.Compact(got), want) {
			t.Errorf("after %v %T%+v: %q, want %q", now, in, in, got, want)
		}
	}
	hello := &zremsg.Hello{Endpoint: later.String(), Headers: []wire.Pair{{Key: HeaderIncarnation, Value: "7"}}}
	wants(Sighted{id, earlier}, "connect ["+earlier.String()+"]")
	wants(Linked{id, 11, earlier, sight.At("10.0.0.1", 1), true, 5, false})
	wants(Heard{Peer: id, Link: 1, Message: hello}, "disconnect 11", "connect ["+later.String()+"]")
	for range 9 {
		now = now.Add(time.Second)
		wants(Sighted{id, earlier})
	}
	wants(Linked{id, 12, later, sight.At("10.0.0.1", 1), true, 5, false})
	wants(Unlinked{id, 11}) // the end of the earlier one
	wants(Heard{Peer: id, Link: 1, Message: hello})
	now = now.Add(time.Minute)
	wants(Unlinked{id, 12}, "connect ["+later.String()+"]")
	wants(Sighted{id, earlier}, "connect ["+later.String()+" "+earlier.String()+"]")
	wants(Linked{id, 13, earlier, sight.At("10.0.0.1", 1), true, 5, false}, "disconnect 13", "connect ["+later.String()+"]")
}
