package guard

import (
	"bytes"
	"errors"
	"maps"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
)

// gate is the handshake of a node that calls another: what each shows, and what became of
// it.
type gate struct {
	caller, called *Guard
	at             uuid.UUID // who the caller means to call
	as             []byte    // the identity of ZMTP that it gives
	key            *[32]byte // that the called is said to have
	shows, shown   map[string][]byte
	visit          Visit

	near, far       *link.Link
	nearErr, farErr error
	nearWhy, farWhy error     // why who was refused, as was told
	refused         uuid.UUID // by the called
}

func newGate(t *testing.T, caller, called *Guard) *gate {
	visit, ok := called.Throttle.Admit(at("10.0.0.1"), time.Now())
	if !ok {
		t.Fatal("no room for a visit")
	}
	t.Cleanup(visit.End)
	return &gate{
		caller: caller, called: called, at: called.ID, as: IdentityOf(caller.ID), key: called.PublicKey(),
		shows: caller.Properties(false), shown: called.Introduction(false), visit: visit,
	}
}

// shake does the handshake.
func (g *gate) shake(t *testing.T) {
	t.Helper()
	memory := link.NewMemory(nil)
	listener := must(memory.Host("10.0.0.2").Listen(t.Context(), "tcp://*:*"))(t)
	defer listener.Close()
	near := must(memory.Host("10.0.0.1").Dial(t.Context(), "tcp://"+listener.Addr().String()))(t)
	far := must(listener.Accept())(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		curve := g.called.Curve(&g.visit, false, func(peer uuid.UUID, from net.Addr, why error) {
			if g.refused, g.farWhy = peer, why; from.String() != near.LocalAddr().String() {
				t.Errorf("refused from %v", from)
			}
		})
		g.far, g.farErr = link.Open(t.Context(), far, link.Config{Type: zmtp.Router, Identity: IdentityOf(g.called.ID), Curve: curve, Properties: g.shown})
	}()
	curve := must(g.caller.CurveTo(g.at, g.key, func(_ uuid.UUID, at net.Addr, why error) {
		if g.nearWhy = why; at.String() != listener.Addr().String() {
			t.Errorf("refused at %v", at)
		}
	}))(t)
	g.near, g.nearErr = link.Open(t.Context(), near, link.Config{Type: zmtp.Dealer, Identity: g.as, Curve: curve, Properties: g.shows})
	<-done
	for _, k := range []*link.Link{g.near, g.far} {
		if k != nil {
			t.Cleanup(func() { _ = k.Close() })
		}
	}
}

// TestCurve lets those in who show who they are, and tells the others why not, if they are
// @Once nodes. Who calls finds out as well who answers.
func TestCurve(t *testing.T) {
	network := must(identity.OpenNetwork(t.TempDir()))(t)
	secure := Config{Security: api.NodeSecuritySecure}
	late := Config{Security: api.NodeSecuritySecure, Wall: func() time.Time { return time.Now().Add(-24 * time.Hour) }}
	cardOf := func(g *Guard) []byte { return g.Identity.Card().Octets() }
	for name, c := range map[string]struct {
		members bool // the called trusts members only, and the caller is one
		change  func(t *testing.T, g *gate)
		far     error // why the called refuses
		near    error // why the caller does
		said    error // what the caller is told
	}{
		"as they are": {},
		"members":     {members: true},
		"a stranger among members": {members: true, change: func(t *testing.T, g *gate) {
			g.caller = with(t, secure)
			g.as, g.shows = IdentityOf(g.caller.ID), g.caller.Properties(false)
		}, far: identity.ErrMember, said: errors.New(api.EventRefusalMember.Text())},
		"a stranger who shows no nonce": {members: true, change: func(t *testing.T, g *gate) {
			g.caller = with(t, secure)
			g.as, g.shows = IdentityOf(g.caller.ID), g.caller.Properties(false)
			delete(g.shows, PropertyNonce)
		}, far: identity.ErrMember, said: errRefused},
		"in the name of somebody else": {change: func(t *testing.T, g *gate) {
			g.as = IdentityOf(with(t, secure).ID)
		}, far: identity.ErrStranger, said: errors.New(api.EventRefusalProof.Text())},
		"with the card of somebody else": {change: func(t *testing.T, g *gate) {
			eve := with(t, secure)
			g.as, g.shows[PropertyCard] = IdentityOf(eve.ID), cardOf(eve)
		}, far: identity.ErrKey, said: errors.New(api.EventRefusalProof.Text())},
		"without a card": {change: func(t *testing.T, g *gate) {
			delete(g.shows, PropertyCard)
		}, far: identity.ErrNoCard, said: errors.New(api.EventRefusalProof.Text())},
		"with a card that is torn": {change: func(t *testing.T, g *gate) {
			g.shows[PropertyCard] = g.shows[PropertyCard][1:]
		}, far: identity.ErrMalformed, said: errors.New(api.EventRefusalProof.Text())},
		"with a card of long ago": {change: func(t *testing.T, g *gate) {
			g.caller = with(t, late)
			g.as, g.shows = IdentityOf(g.caller.ID), g.caller.Properties(false)
		}},
		"with one of long ago that need not be its own": {change: func(t *testing.T, g *gate) {
			g.caller = with(t, late)
			g.as, g.shows = IdentityOf(g.caller.ID), g.caller.Properties(false)
			delete(g.shows, PropertyNonce)
		}, far: identity.ErrExpired, said: errRefused},
		"without a peer's identity": {change: func(t *testing.T, g *gate) {
			g.as = []byte("somebody")
		}, far: ErrIdentity, said: errors.New(api.EventRefusalProof.Text())},
		"the called is somebody else": {change: func(t *testing.T, g *gate) {
			g.at = with(t, secure).ID
		}, near: identity.ErrStranger},
		"the called shows the card of somebody else": {change: func(t *testing.T, g *gate) {
			eve := with(t, secure)
			g.at, g.shown[PropertyCard] = eve.ID, cardOf(eve)
		}, near: identity.ErrKey},
		"the called shows no card": {change: func(t *testing.T, g *gate) {
			delete(g.shown, PropertyCard)
		}, near: identity.ErrNoCard},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)))
				caller, called := Config{Security: api.NodeSecuritySecure}, Config{Security: api.NodeSecuritySecure}
				g := newGate(t, with(t, caller), with(t, called))
				if c.members {
					g = newGate(t, member(t, network, t.Name()+" caller", api.NodeSecuritySecure), member(t, network, t.Name()+" called", api.NodeSecuritySecure))
				}
				if c.change != nil {
					c.change(t, g)
				}
				g.shake(t)
				if !errors.Is(g.farWhy, c.far) || !errors.Is(g.nearWhy, c.near) {
					t.Errorf("refused by the called: %v, by the caller: %v", g.farWhy, g.nearWhy)
				}
				if c.far == nil && c.near == nil {
					g.stands(t)
				} else if g.nearErr == nil {
					t.Error("the caller has a link")
				}
				if who, err := PeerOf(g.as); c.far != nil && err == nil && g.refused != who {
					t.Errorf("%v is refused", g.refused)
				}
				if why := Reason(g.nearErr); c.said == nil && why != nil || c.said != nil && (why == nil || why.Error() != c.said.Error()) {
					t.Errorf("the caller is told %v, want %v", why, c.said)
				}
			})
		})
	}
}

// stands makes sure that both have a link, and know the other's key and nonce.
func (g *gate) stands(t *testing.T) {
	t.Helper()
	if g.nearErr != nil || g.farErr != nil {
		t.Fatal(g.nearErr, g.farErr)
	}
	near, _ := g.near.RemoteKey()
	far, _ := g.far.RemoteKey()
	if near != *g.called.PublicKey() || far != *g.caller.PublicKey() {
		t.Error("the keys are those of others")
	}
	ours, life, name := NoncesOf(g.near)
	theirs, ourLife, ourName := NoncesOf(g.far)
	if ours.Own != theirs.Far || ours.Far != theirs.Own || !ours.Fresh() || life != g.called.Incarnation || ourLife != g.caller.Incarnation ||
		name != g.called.Name() || ourName != "" {
		t.Errorf("nonces %v and %v, lives %d and %d, names %q and %q", ours, theirs, life, ourLife, name, ourName)
	}
	if !bytes.Equal(g.shows[PropertyNonce], ours.Own[:]) {
		t.Error("the nonce is not that which was shown")
	}
	if !g.visit.Owes() {
		t.Error("the keys cost nothing")
	}
}

// TestCurveOfDebtors has a node do no arithmetic for an address that has cost too much.
func TestCurveOfDebtors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t, with(t, Config{Security: api.NodeSecuritySecure}), with(t, Config{Security: api.NodeSecuritySecure}))
		for range failuresBurst {
			visit, _ := g.called.Throttle.Admit(at("10.0.0.1"), time.Now())
			_ = visit.Afford(time.Now())
			visit.End()
		}
		if g.shake(t); !errors.Is(g.farErr, ErrDebt) || g.nearErr == nil {
			t.Errorf("%v, %v", g.farErr, g.nearErr)
		}
	})
}

// TestCurveWithoutCards takes who shows none by its key, if that is trusted: then it need
// show nothing else. A driver that does not tell what was shown leaves it to the greeting.
func TestCurveWithoutCards(t *testing.T) {
	ana, ben := with(t, Config{Security: api.NodeSecuritySecure}), with(t, Config{Security: api.NodeSecuritySecure})
	visit, _ := ana.Throttle.Admit(at("10.0.0.1"), time.Now())
	defer visit.End()
	curve := ana.Curve(&visit, false, func(uuid.UUID, net.Addr, error) {})
	shown := &zmtp.Metadata{Identity: IdentityOf(ben.ID), Partial: true}
	if err := curve.Admit([32]byte{}, at("10.0.0.1"), shown); err != nil {
		t.Errorf("where it cannot be told: %v", err)
	}
	shown.Partial = false
	if err := curve.Admit([32]byte{}, at("10.0.0.1"), shown); !errors.Is(err, identity.ErrNoCard) {
		t.Errorf("where it can: %v", err)
	}
}

// TestSuits has nodes talk with those that have the same security.
func TestSuits(t *testing.T) {
	key := new([32]byte)
	for security, c := range map[api.NodeSecurity]struct{ plain, encrypted error }{
		api.NodeSecurityPlain:  {nil, ErrSecure},
		api.NodeSecurityAuto:   {nil, ErrSecure},
		api.NodeSecuritySecure: {ErrPlain, nil},
	} {
		g := with(t, Config{Security: security})
		if !errors.Is(g.Suits(nil), c.plain) || !errors.Is(g.Suits(key), c.encrypted) {
			t.Errorf("%v: %v, %v", security, g.Suits(nil), g.Suits(key))
		}
		secure := c.plain != nil
		var visit Visit
		if curve := g.Curve(&visit, false, nil); (curve != nil) != secure || (g.PublicKey() != nil) != secure {
			t.Errorf("%v: it has CURVE: %v", security, curve != nil)
		}
		for k, want := range map[*[32]byte]error{nil: c.plain, key: c.encrypted} {
			if curve, err := g.CurveTo(uuid.New(), k, nil); !errors.Is(err, want) || (curve != nil) != (k != nil && want == nil) {
				t.Errorf("%v: to who has %v: %v, %v", security, k, curve, err)
			}
		}
	}
}

// TestProperties shows a nonce that is new each time, and the life of the node; who it is
// only where that is encrypted, and its name only where it is not, or to who was let in.
func TestProperties(t *testing.T) {
	for security, want := range map[api.NodeSecurity]int{api.NodeSecurityAuto: 3, api.NodeSecuritySecure: 3} {
		g := with(t, Config{Security: security})
		one, other := g.Properties(false), g.Properties(false)
		if len(one) != want || len(one[PropertyNonce]) != NonceSize || bytes.Equal(one[PropertyNonce], other[PropertyNonce]) {
			t.Errorf("%v: shows %v", security, maps.Collect(maps.All(one)))
		}
		if (string(one[PropertyName]) == g.Name()) == g.Secure || string(g.Introduction(false)[PropertyName]) != g.Name() {
			t.Errorf("%v: shows the name %q", security, one[PropertyName])
		}
	}
}

// TestPeerOf reads identities of ZMTP, and takes none that is not a peer's.
func TestPeerOf(t *testing.T) {
	peer := uuid.New()
	id := IdentityOf(peer)
	if got, err := PeerOf(id); got != peer || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	for _, id := range [][]byte{nil, {}, {1}, id[:16], append(id[:17:17], 0), append([]byte{2}, id[1:]...), id[1:]} {
		if got, err := PeerOf(id); got != uuid.Nil || !errors.Is(err, ErrIdentity) {
			t.Errorf("%x: %v, %v", id, got, err)
		}
	}
}
