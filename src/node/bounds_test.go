package node

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncecard"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/wire"
	"github.com/sjohnr/at-once/src/zre"
)

// TestLargestGreeting gives a node all that it may have: it is greeted at once, and what
// does not fit is refused when it is set.
func TestLargestGreeting(t *testing.T) {
	const headers, groups = zremsg.MaxApplicationHeaders, zremsg.MaxHelloGroups
	octets := zremsg.MaxApplicationOctets - zremsg.MaxHelloName
	fill := func(n *Node) error {
		for i := range headers {
			size := octets / headers
			if i == 0 {
				size += octets % headers
			}
			name := fmt.Sprintf("%d", i)
			if err := n.SetHeader(name, strings.Repeat("v", size-len(name))); err != nil {
				return err
			}
		}
		for i := range groups {
			if err := n.Join(fmt.Sprintf("%0*d", zremsg.MaxHelloGroupsOctets/groups, i)); err != nil {
				return err
			}
		}
		return nil
	}
	roles := strings.Join(slices.Repeat([]string{strings.Repeat("r", 64)}, 16), ",")
	for _, security := range []api.NodeSecurity{api.NodeSecurityPlain, api.NodeSecurityAuto, api.NodeSecuritySecure} {
		t.Run(security.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLAN(t)
				network, err := identity.OpenNetwork(t.TempDir())
				if err != nil {
					t.Fatal(err)
				}
				belongs := func(name string) func(*Node) {
					return func(n *Node) {
						if security != api.NodeSecurityPlain {
							memberAs(t, network, name, roles)(n)
						}
						_ = n.SetSecurity(security)
						n.settings.MaxMessage = 64 << 10
					}
				}
				name := strings.Repeat("a", zremsg.MaxHelloName)
				ana := l.node(name, belongs(name), func(n *Node) {
					if err := fill(n); err != nil {
						t.Fatal(err)
					}
					if err := n.SetHeader("0", strings.Repeat("v", 400)); !errors.Is(err, api.ErrHeaders) {
						t.Errorf("a longer header: %v", err)
					}
					if err := n.SetHeader("one more", ""); !errors.Is(err, api.ErrHeaders) {
						t.Errorf("a header more: %v", err)
					}
				})
				defer ana.Stop()
				if err := ana.Join("one more"); !errors.Is(err, api.ErrGroups) {
					t.Errorf("a group more: %v", err)
				}
				ben := l.node("ben", belongs("ben"))
				defer ben.Stop()
				start := time.Now()
				ben.wants("enter " + name)
				for range groups {
					ben.next(time.Second)
				}
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("it took %v", took)
				}
				p, err := ben.Peer(ana.UUID())
				ana.must(err)
				if len(p.Groups()) != groups || len(p.Headers()) != headers || ana.Counts()["control overflows"] > 0 {
					t.Errorf("%d groups, %d headers; counts %v", len(p.Groups()), len(p.Headers()), ana.Counts())
				}
			})
		})
	}
}

// TestGroupsAreBoundInOctets joins groups with long names until one more is refused, also
// after the start.
func TestGroupsAreBoundInOctets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		const long = 255
		most := zremsg.MaxHelloGroupsOctets / long
		name := func(i int) string { return fmt.Sprintf("%0*d", long, i) }
		ana := l.node("ana", func(n *Node) {
			for i := range most - 1 {
				_ = n.Join(name(i))
			}
		})
		defer ana.Stop()
		ana.must(ana.Join(name(most - 1)))
		ana.must(ana.Join(name(0)))
		if err := ana.Join(name(most)); !errors.Is(err, api.ErrGroups) {
			t.Errorf("one more: %v", err)
		}
		ana.must(ana.Leave(name(0)))
		ana.must(ana.Join(name(most)))
		if got := len(ana.OwnGroups()); got != most {
			t.Errorf("in %d groups", got)
		}
	})
}

// TestHeadersOfTheProtocolFit holds what HELLO has beside an application's headers against
// the room that is left for it.
func TestHeadersOfTheProtocolFit(t *testing.T) {
	number := strings.Repeat("9", 20)
	own := []wire.Pair{
		{Key: zre.HeaderIncarnation, Value: number}, {Key: zre.ReservedHeader + "ANSWER-EXPECTED", Value: "1"},
		{Key: zre.ReservedHeader + "CONNECTION", Value: number},
		{Key: zre.HeaderPublicKey, Value: strings.Repeat("k", 40)},
		{Key: guard.HeaderCard, Value: identity.Base64(make([]byte, oncecard.MaxCard))},
		{Key: guard.HeaderSealing, Value: identity.Base64(make([]byte, identity.SealingSize))},
		{Key: guard.HeaderMoves, Value: identity.Base64(make([]byte, oncecard.MaxRollMoves))},
		{Key: guard.HeaderToken, Value: identity.Base64(make([]byte, oncecard.MaxToken+oncecard.MaxDetails))},
		{Key: guard.HeaderChallenge, Value: identity.Base64(make([]byte, guard.ChallengeSize))},
		{Key: guard.HeaderNonce, Value: identity.Base64(make([]byte, 16))},
		{Key: guard.HeaderGreeting, Value: number}, {Key: guard.HeaderProof, Value: identity.Base64(make([]byte, 64))},
	}
	octets := 0
	for _, p := range own {
		octets += len(p.Key) + len(p.Value)
	}
	if room := zremsg.MaxHelloHeadersOctets - zremsg.MaxApplicationOctets; octets > room {
		t.Errorf("they take %d octets of %d", octets, room)
	}
	if room := zremsg.MaxHelloHeaders - zremsg.MaxApplicationHeaders; len(own) > room {
		t.Errorf("they are %d, of %d", len(own), room)
	}
}

// TestGreetingsWeighWhatTheyTake holds what a node keeps of greetings against what the
// model has them count for, 256 octets for each entry beside its text: most of it is
// groups of short names that only one peer is in. Who goes takes it along.
func TestGreetingsWeighWhatTheyTake(t *testing.T) {
	for _, c := range []struct {
		name         string
		groups, size int // of each peer, and the octets of each name
	}{{"many groups", zremsg.MaxHelloGroups, 6}, {"long groups", zremsg.MaxHelloGroupsOctets / 255, 255}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const peers, little = 20, 8 << 20 // octets that empty places in maps take
				l := newLAN(t)
				ana := l.node("ana")
				defer ana.Stop()
				before := settled()
				weight := 0
				enters := func(p int) {
					id, endpoint := uuid.UUID{15: byte(p + 1)}, "tcp://10.0.0.66:9"
					hello := &zremsg.Hello{Sequence: 1, Endpoint: endpoint}
					for g := range c.groups {
						hello.Groups = append(hello.Groups, fmt.Sprintf("%0*d", c.size, p*c.groups+g))
					}
					for h := range zremsg.MaxHelloHeaders {
						hello.Headers = append(hello.Headers, wire.Pair{Key: fmt.Sprintf("%03d", h), Value: strings.Repeat("v", 285)})
					}
					weight += c.groups*(256+c.size) + zremsg.MaxHelloHeaders*(256+288)
					frame, err := hello.AppendTo(nil)
					ana.must(err)
					ana.must(hello.Decode(frame, nil))
					ana.loop.do(func() {
						ana.loop.step(zre.Sighted{Peer: id, Endpoint: parsed(endpoint)})
						number := zre.LinkID(1000 + p)
						out := &outbound{Path: channel.NewPath(link.Ended(), guard.Nonces{}, nil), id: number, peer: id}
						ana.loop.ours[number] = out
						ana.loop.talks.core.Step(time.Now(), zre.Linked{Peer: id, Link: number, Endpoint: ana.ears.site.Endpoint(), Callback: ana.ears.site.Endpoint()})
						ana.loop.step(zre.Heard{Peer: id, Link: zre.LinkID(p + 1), Message: hello})
						ana.loop.withdraw(id)
						delete(ana.loop.ours, number)
					})
				}
				for p := range peers {
					enters(p)
				}
				if got := len(ana.Peers()); got != peers {
					t.Fatalf("%d peers; counts %v", got, ana.Counts())
				}
				took := settled() - before
				t.Logf("they take %d KiB, and count for %d", took>>10, weight>>10)
				if took > weight+weight/8 {
					t.Errorf("they take %d octets, and count for %d", took, weight)
				}
				for _, p := range ana.Peers() {
					ana.loop.post(zre.Expelled{Peer: p.UUID()})
				}
				for range peers * (2 + c.groups) { // enter, joins, exit
					ana.next(time.Second)
				}
				ana.idle(time.Second) // which gives back the last event
				if left := settled() - before; left > little {
					t.Errorf("%d octets are left", left)
				}
			})
		})
	}
}
