package zre

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/wire"
)

// heavy is a greeting with all that it may have.
func heavy() *zremsg.Hello {
	hello := &zremsg.Hello{Endpoint: "tcp://10.0.0.2:5"}
	for i := range zremsg.MaxHelloGroups {
		hello.Groups = append(hello.Groups, fmt.Sprintf("%064d", i))
	}
	for i := range zremsg.MaxHelloHeaders {
		hello.Headers = append(hello.Headers, wire.Pair{Key: fmt.Sprintf("%03d", i), Value: strings.Repeat("v", 285)})
	}
	return hello
}

// TestGreetingsOfAllAreBound has more peers greet than there is room for. Those that do
// not fit are turned away and counted, as groups are that they join later; who goes makes
// room, and in the end nothing is left.
func TestGreetingsOfAllAreBound(t *testing.T) {
	c := New(Config{ID: uuid.UUID{1}, Greeting: time.Minute, Evasive: time.Minute, Silent: time.Hour, Expired: 2 * time.Hour,
		Signs: func(uuid.UUID) Signs { return Signs{} }})
	now := time.Unix(1e9, 0)
	step := func(in Input) (rejected bool, counted []string) {
		now = now.Add(time.Millisecond)
		for _, out := range c.Step(now, in) {
			switch out := out.(type) {
			case Reject:
				rejected = true
			case Count:
				counted = append(counted, out.Name)
			}
		}
		return rejected, counted
	}
	hello := heavy()
	peer := func(i int) uuid.UUID { return uuid.UUID{0: 2, 14: byte(i >> 8), 15: byte(i)} }
	greets := func(i int) (taken bool) {
		step(Sighted{peer(i), sight.At("10.0.0.2", 5)})
		step(Linked{peer(i), LinkID(1e6 + i), sight.At("10.0.0.2", 1), sight.At("10.0.0.1", 1), true, 0, false})
		rejected, counted := step(Heard{Peer: peer(i), Link: LinkID(i + 1), Message: hello})
		if rejected != slices.Contains(counted, "greetings over the limit of all") {
			t.Fatalf("peer %d is rejected: %v, and counted as %q", i, rejected, counted)
		}
		return !rejected
	}
	each := weigh(hello)
	most := zremsg.MaxGreetings / each
	present := 0
	for i := range most + 10 {
		if greets(i) {
			present++
		}
	}
	if present != most || c.weight != most*each {
		t.Fatalf("%d are present, want %d; they weigh %d", present, most, c.weight)
	}
	joins := func(i int, group string) bool {
		_, counted := step(Heard{Peer: peer(i), Link: LinkID(i + 1), Message: &zremsg.Join{Group: group, Status: 1}})
		return !slices.Contains(counted, "groups over the limit")
	}
	step(Heard{Peer: peer(1), Link: 2, Message: &zremsg.Leave{Group: hello.Groups[0]}})
	room := zremsg.MaxGreetings - c.weight - entryOctets
	c.weight += room // as if others had it
	if !joins(1, "") || joins(2, "") {
		t.Error("a group is taken for which there is no room, or is not though there is")
	}
	c.weight -= room
	step(Heard{Peer: peer(0), Link: 1, Message: &zremsg.Goodbye{}})
	if !greets(most) {
		t.Error("who goes makes no room")
	}
	for i := range most + 10 {
		step(Heard{Peer: peer(i), Link: LinkID(i + 1), Message: &zremsg.Goodbye{}})
		step(Expelled{peer(i)})
	}
	if len(c.peers) > 0 || c.weight != 0 {
		t.Errorf("%d peers are left, and weigh %d", len(c.peers), c.weight)
	}
}

// TestWeight lets a peer join, leave and greet at random: it weighs what its latest
// greeting would.
func TestWeight(t *testing.T) {
	c := New(Config{ID: uuid.UUID{1}, Greeting: time.Minute, Evasive: time.Minute, Silent: time.Hour, Expired: 2 * time.Hour,
		Signs: func(uuid.UUID) Signs { return Signs{} }})
	random, now, id := rand.New(rand.NewPCG(1, 2)), time.Unix(1e9, 0), uuid.UUID{2}
	group := func() string { return strings.Repeat("g", random.IntN(20)) }
	hello := func() Heard {
		m := &zremsg.Hello{Endpoint: "tcp://10.0.0.2:5", Name: group(), Headers: []wire.Pair{{Key: "k", Value: group()}}}
		m.Groups = slices.Compact(slices.Sorted(slices.Values([]string{group(), group()})))
		return Heard{Peer: id, Link: 1, Message: m}
	}
	c.Step(now, Sighted{id, sight.At("10.0.0.2", 5)})
	c.Step(now, Linked{id, 2, sight.At("10.0.0.2", 1), sight.At("10.0.0.1", 1), true, 0, false})
	c.Step(now, hello())
	for range 1000 {
		in := hello()
		switch random.IntN(3) {
		case 0:
			in.Message = &zremsg.Join{Group: group()}
		case 1:
			in.Message = &zremsg.Leave{Group: group()}
		}
		c.Step(now, in)
		p := c.peers[id]
		said := &zremsg.Hello{Endpoint: p.endpoint.String(), Name: p.name, Groups: p.groups, Headers: wire.Pairs(p.headers)}
		if want := weigh(said); p.member.weight != want || c.weight != want {
			t.Fatalf("it weighs %d, and all %d, want %d", p.member.weight, c.weight, want)
		}
	}
}
