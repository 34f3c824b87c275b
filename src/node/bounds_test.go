package node

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncecard"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/identity"
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
						n.settings.maxMessage = 64 << 10
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
		{Key: zre.HeaderPublicKey, Value: strings.Repeat("k", 40)},
		{Key: headerCard, Value: encoding.EncodeToString(make([]byte, oncecard.MaxCard))},
		{Key: headerToken, Value: encoding.EncodeToString(make([]byte, oncecard.MaxToken))},
		{Key: headerChallenge, Value: encoding.EncodeToString(make([]byte, challengeSize))},
		{Key: headerGreeting, Value: number}, {Key: headerProof, Value: encoding.EncodeToString(make([]byte, 64))},
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
