package node

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/wire"
	"github.com/sjohnr/at-once/src/zmtp"
)

// TestSecureClaims is TestClaims over CURVE, in the handshake and in the greeting.
// Who is not admitted hears as much whatever the reason.
func TestSecureClaims(t *testing.T) {
	shows := func(card func(s *scene) []byte) func(*scene, *link.Config) {
		return func(s *scene, c *link.Config) { c.Properties = map[string][]byte{guard.PropertyCard: card(s)} }
	}
	issued := func(after time.Duration) func(*scene, *link.Config) {
		return shows(func(s *scene) []byte {
			s.issue(1, time.Now().Add(after))
			return s.eve.Identity.Card().Octets()
		})
	}
	her := func(s *scene) uuid.UUID { return s.eve.Identity.UUID() }
	his := func(s *scene) uuid.UUID { return s.ben.UUID() }
	hisCard := func(s *scene) []byte { return s.ben.guard.Identity.Card().Octets() }
	swapped := func(key string, value func(s *scene) []byte) func(*scene, *zremsg.Hello) {
		return func(s *scene, h *zremsg.Hello) { *header(h, key) = identity.Base64(value(s)) }
	}
	for _, c := range []struct {
		name  string
		as    func(*scene) uuid.UUID
		shown func(*scene, *link.Config)  // in the handshake, if not what she has
		hello func(*scene, *zremsg.Hello) // a change of her greeting
		want  error
	}{
		{"as herself", her, nil, nil, nil},
		{"no card", her, func(_ *scene, c *link.Config) { c.Properties = nil }, nil, identity.ErrNoCard},
		{"no card, an id of no identity", func(*scene) uuid.UUID { return mallory },
			func(_ *scene, c *link.Config) { c.Properties = nil }, nil, identity.ErrNoCard},
		{"her card, an id of no identity", func(*scene) uuid.UUID { return mallory }, nil, nil, identity.ErrStranger},
		{"his card", her, shows(hisCard), nil, identity.ErrStranger},
		{"his id, her card", his, nil, nil, identity.ErrStranger},
		{"his id and card, her key", his, shows(hisCard), nil, identity.ErrKey},
		{"his id, no card", his, func(_ *scene, c *link.Config) { c.Properties = nil }, nil, identity.ErrNoCard},
		{"half a card", her, shows(func(s *scene) []byte { return s.eve.Identity.Card().Octets()[:99] }), nil, identity.ErrMalformed},
		{"an expired card", her, issued(-identity.Lifetime - 3*time.Minute), nil, identity.ErrExpired},
		{"a card of the future", her, issued(3 * time.Minute), nil, identity.ErrExpired},
		{"no identity", her, func(_ *scene, c *link.Config) { c.Identity = nil }, nil, guard.ErrIdentity},
		{"then no card", her, nil, func(_ *scene, h *zremsg.Hello) { without(h, guard.HeaderCard) }, identity.ErrNoCard},
		{"then his card", her, nil, swapped(guard.HeaderCard, hisCard), identity.ErrStranger},
		{"then no challenge", her, nil, func(_ *scene, h *zremsg.Hello) { without(h, guard.HeaderChallenge) }, identity.ErrMalformed},
		{"then a short challenge", her, nil, swapped(guard.HeaderChallenge, func(*scene) []byte { return []byte("short") }), identity.ErrMalformed},
		{"then another incarnation", her, nil, func(s *scene, h *zremsg.Hello) {
			s.issue(2, time.Now())
			h.Headers = slices.Insert(without(h, guard.HeaderCard).Headers, 0, wire.Pair{Key: guard.HeaderCard, Value: identity.Base64(s.eve.Identity.Card().Octets())})
		}, identity.ErrStranger},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, api.NodeSecuritySecure)
				hello := s.signed(s.greeting())
				if c.hello != nil {
					c.hello(s, hello)
				}
				answer, err := s.confront(c.as(s), func(config *link.Config) {
					if c.shown != nil {
						c.shown(s, config)
					}
				}, frame(hello))
				if c.want == nil {
					s.ana.wants("enter eve")
					return
				}
				name, silence := "eve", 0
				if c.hello == nil {
					name, silence = "", zmtp.GreetingSize+zmtp.CommandSize("WELCOME", 160)+zmtp.CommandSize(zmtp.Error, len("\x03400"))
				}
				var refused *zmtp.RefusedError
				if errors.As(err, &refused) != (c.hello == nil) || errors.Is(err, link.ErrClosed) || len(answer) != silence || s.calls.Load() > 0 {
					t.Errorf("ended with %v, answered with %x, called %d times", err, answer, s.calls.Load())
				}
				s.refused(name, c.want)
			})
		})
	}
}

// TestForgedBeacon sends beacons with the id of another and a key of eve's own. Who
// follows them tells her its id and card, as the handshake does, and not a word more:
// no name, header or group.
func TestForgedBeacon(t *testing.T) {
	absent, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		id    func(s *scene) uuid.UUID
		shows func(s *scene) map[string][]byte
		want  error
	}{
		{"of a peer who is present, her card", func(s *scene) uuid.UUID { return s.ben.UUID() },
			func(s *scene) map[string][]byte { return s.eve.Properties(false) }, identity.ErrStranger},
		{"of a peer who is present, his card", func(s *scene) uuid.UUID { return s.ben.UUID() },
			func(s *scene) map[string][]byte { return s.ben.guard.Properties(false) }, identity.ErrKey},
		{"of somebody who is not", func(s *scene) uuid.UUID { return absent.UUID() },
			func(*scene) map[string][]byte { return map[string][]byte{} }, identity.ErrNoCard},
		{"of a peer without identity", func(*scene) uuid.UUID { return mallory },
			func(*scene) map[string][]byte { return map[string][]byte{} }, identity.ErrNoCard},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, api.NodeSecuritySecure)
				s.shows = c.shows(s)
				s.hub.Cut(func(from, _ string) bool { return from == s.ben.host })
				lookout{s.ana.loop}.sighted([]sight.Sighting{{ID: c.id(s), Endpoint: parsed(s.home).With(s.eve.PublicKey())}})
				s.memory.Partition(s.ana.host, s.ben.host, true) // where he is comes first
				s.tap.between(s.ana, s.ben).Close()              // so that ana calls him again
				time.Sleep(time.Second)
				s.memory.Partition(s.ana.host, s.ben.host, false)
				s.rest()
				m := s.shown.Load()
				if m == nil || string(m.Identity) != string(routingID(s.ana.UUID())) || s.told.Load() > 0 {
					t.Fatalf("eve was shown %+v, and told %d messages", m, s.told.Load())
				}
				delete(m.Others, "x-once-card")
				delete(m.Others, "x-once-incarnation")
				if delete(m.Others, "x-once-nonce"); len(m.Others) > 0 {
					t.Errorf("eve was shown %q too", m.Others)
				}
				s.refused("", c.want)
			})
		})
	}
}
