package guard

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/wire"
	"github.com/sjohnr/at-once/src/zre"
)

// connection returns the nonces of a connection as its two ends have them.
func connection() (near, far Nonces) {
	copy(near.Own[:], NewNonce())
	copy(near.Far[:], NewNonce())
	return near, Nonces{Own: near.Far, Far: near.Own}
}

// greeting returns what a node says of itself, before it shows who it is.
func greeting(g *Guard) *zremsg.Hello {
	return &zremsg.Hello{
		Endpoint: "tcp://10.0.0.1:5670", Groups: []string{"room"}, Status: 1, Name: g.Name(),
		Headers: []wire.Pair{{Key: "color", Value: "red"}, {Key: zre.HeaderIncarnation, Value: strconv.FormatUint(g.Incarnation, 10)}},
	}
}

// clone copies a greeting, so that it can be changed.
func clone(hello *zremsg.Hello) *zremsg.Hello {
	copied := *hello
	copied.Groups, copied.Headers = slices.Clone(hello.Groups), slices.Clone(hello.Headers)
	return &copied
}

// names returns the names of a greeting's headers.
func names(hello *zremsg.Hello) (names []string) {
	for _, h := range hello.Headers {
		names = append(names, h.Key)
	}
	return names
}

// TestGreeting takes what nodes show each other, and knows then what they have shown.
func TestGreeting(t *testing.T) {
	for name, fresh := range map[string]bool{"with nonces": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			ana, ben := with(t, Config{Name: "ana"}), with(t, Config{Name: "ben"})
			var near, far Nonces
			want := []string{"color", zre.HeaderIncarnation, HeaderCard, HeaderSealing, HeaderChallenge, HeaderGreeting, HeaderProof}
			if fresh {
				near, far = connection()
				want = slices.Insert(want, 5, HeaderNonce)
			}
			var last uint64
			for range 3 {
				hello, challenge := greeting(ana), NewChallenge()
				if card := ana.Present(hello, ben.ID, &near, challenge, nil, false); card != ana.Identity.Card() || hello.Sequence != 1 {
					t.Errorf("it is number %d, and not with the card", hello.Sequence)
				}
				if !slices.Equal(names(hello), want) {
					t.Errorf("it shows %q, want %q", names(hello), want)
				}
				before := time.Now()
				badge, err := ben.Vet(ana.ID, nil, hello, &far, nil)
				if err != nil {
					t.Fatal(err)
				}
				if badge.Card.Digest() != ana.Identity.Card().Digest() || string(badge.Challenge) != string(challenge) || badge.Token != nil || badge.Key != nil {
					t.Error("it has shown something else")
				}
				if proved := !badge.Proved.IsZero(); proved != fresh || proved && badge.Proved.Before(before) {
					t.Errorf("it is proved to be new at %v", badge.Proved)
				}
				if badge.Greeting <= last || badge.Greeting <= ana.Incarnation {
					t.Errorf("greeting %d after %d", badge.Greeting, last)
				}
				last = badge.Greeting
			}
		})
	}
}

// TestGreetingChanged refuses greetings of which anything is changed that is said, or that
// were said to somebody else, or over another connection.
func TestGreetingChanged(t *testing.T) {
	ana, ben, eve := with(t, Config{Name: "ana"}), with(t, Config{Name: "ben"}), with(t, Config{Name: "eve"})
	near, far := connection()
	said := greeting(ana)
	ana.Present(said, ben.ID, &near, NewChallenge(), nil, false)
	refused := func(what string, by *Guard, hello *zremsg.Hello, from uuid.UUID, on Nonces) {
		t.Helper()
		badge, err := by.Vet(from, nil, hello, &on, nil)
		if badge != nil || Refusal(err) != api.EventRefusalProof {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := ben.Vet(ana.ID, nil, clone(said), &far, nil); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*zremsg.Hello){
		"sequence": func(h *zremsg.Hello) { h.Sequence++ },
		"endpoint": func(h *zremsg.Hello) { h.Endpoint = "tcp://10.0.0.2:5670" },
		"groups":   func(h *zremsg.Hello) { h.Groups = append(h.Groups, "other") },
		"status":   func(h *zremsg.Hello) { h.Status++ },
		"name":     func(h *zremsg.Hello) { h.Name = "eve" },
		"another":  func(h *zremsg.Hello) { h.Headers = append(h.Headers, wire.Pair{Key: "size", Value: "1"}) },
		"before":   func(h *zremsg.Hello) { h.Headers = slices.Insert(h.Headers, 0, wire.Pair{Key: "size", Value: "1"}) },
		"order":    func(h *zremsg.Hello) { h.Headers[0], h.Headers[1] = h.Headers[1], h.Headers[0] },
		"twice":    func(h *zremsg.Hello) { h.Headers = append(h.Headers, h.Headers[len(h.Headers)-1]) },
		"somebody else's card": func(h *zremsg.Hello) {
			h.Headers[slices.Index(names(h), HeaderCard)].Value = identity.Base64(eve.Identity.Card().Octets())
		},
	} {
		hello := clone(said)
		change(hello)
		refused(what, ben, hello, ana.ID, far)
	}
	for i, h := range said.Headers {
		hello := clone(said)
		hello.Headers = slices.Delete(hello.Headers, i, i+1)
		refused("without "+h.Key, ben, hello, ana.ID, far)
		for at := range h.Value {
			hello := clone(said)
			other := "B"
			if h.Value[at] == 'B' {
				other = "C"
			}
			hello.Headers[i].Value = h.Value[:at] + other + h.Value[at+1:]
			refused("with another "+h.Key, ben, hello, ana.ID, far)
		}
		hello = clone(said)
		hello.Headers[i].Value = ""
		refused("with an empty "+h.Key, ben, hello, ana.ID, far)
	}
	for what, change := range map[string]func(value *string){
		HeaderGreeting:        func(value *string) { *value = "0" + *value },
		HeaderNonce:           func(value *string) { *value = identity.Base64(append(near.Own[:], 0)) },
		HeaderChallenge:       func(value *string) { *value = identity.Base64(make([]byte, ChallengeSize+1)) },
		zre.HeaderIncarnation: func(value *string) { *value += "0" },
	} { // what it says itself and does not mean
		hello := clone(said)
		change(&hello.Headers[slices.Index(names(hello), what)].Value)
		last := len(hello.Headers) - 1
		hello.Headers = hello.Headers[:last]
		proof := Prove(ana.Identity, hello, ben.ID, near.Far)
		hello.Headers = append(hello.Headers, wire.Pair{Key: HeaderProof, Value: proof})
		refused("signed, with a bad "+what, ben, hello, ana.ID, far)
	}
	_, otherFar := connection()
	refused("to somebody else", eve, said, ana.ID, far)
	refused("by somebody else", ben, said, eve.ID, far)
	refused("over another connection", ben, said, ana.ID, otherFar)
	refused("over one whose far nonce is another", ben, said, ana.ID, Nonces{Own: far.Own, Far: otherFar.Far})
	refused("over one whose nonce is another", ben, said, ana.ID, Nonces{Own: otherFar.Own, Far: far.Far})
	refused("to who was shown no nonce", ben, said, ana.ID, Nonces{Own: far.Own})
	refused("to who has shown none", ben, said, ana.ID, Nonces{Far: far.Far})
	refused("back to who said it", ana, said, ana.ID, near)
	plain := greeting(ana)
	ana.Present(plain, ben.ID, &Nonces{}, NewChallenge(), nil, false)
	refused("said where there were no nonces", ben, plain, ana.ID, far)
	short := greeting(ana)
	ana.Present(short, ben.ID, &near, make([]byte, ChallengeSize-1), nil, false)
	refused("with a short challenge", ben, short, ana.ID, far)
	bare := greeting(ana)
	refused("without a card", ben, bare, ana.ID, far)
}

// TestGreetingByTheClock takes a card of another time from who proves that it is new, and
// from nobody else; what is wrong with the clocks is told once in a while.
func TestGreetingByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const far = 100 * time.Hour
		time.Sleep(2 * far)
		for name, off := range map[string]time.Duration{"fast": far, "slow": -far} {
			ana := with(t, Config{Name: "ana", Wall: func() time.Time { return time.Now().Add(off) }})
			ben := with(t, Config{Name: "ben"})
			near, there := connection()
			hello := greeting(ana)
			ana.Present(hello, ben.ID, &near, NewChallenge(), nil, false)
			badge, err := ben.Vet(ana.ID, nil, hello, &there, nil)
			if err != nil || badge.Valid(time.Now()) != nil {
				t.Fatalf("%s: %v", name, err)
			}
			told := ben.Clocks(ana.ID, "ana", badge)
			if want := map[string]string{"fast": "100h0m0s ahead", "slow": "ran out 98h0m0s ago"}[name]; !strings.Contains(told, want) {
				t.Errorf("%s: told %q", name, told)
			}
			if told := ben.Clocks(ana.ID, "ana", badge); told != "" {
				t.Errorf("%s: told again %q", name, told)
			}
			time.Sleep(identity.Lifetime - 1)
			if badge.Valid(time.Now()) != nil {
				t.Errorf("%s: it counts for less than a card", name)
			}
			time.Sleep(time.Nanosecond)
			if !errors.Is(badge.Valid(time.Now()), identity.ErrExpired) {
				t.Errorf("%s: it counts for longer than a card", name)
			}
			hello = greeting(ana)
			ana.Present(hello, ben.ID, &Nonces{}, NewChallenge(), nil, false)
			if _, err := ben.Vet(ana.ID, nil, hello, &Nonces{}, nil); !errors.Is(err, identity.ErrExpired) {
				t.Errorf("%s, without nonces: %v", name, err)
			}
		}
		ana, ben := with(t, Config{}), with(t, Config{})
		hello := greeting(ana)
		ana.Present(hello, ben.ID, &Nonces{}, NewChallenge(), nil, false)
		badge, err := ben.Vet(ana.ID, nil, hello, &Nonces{}, nil)
		if err != nil || ben.Clocks(ana.ID, "ana", badge) != "" || ben.Clocks(ana.ID, "ana", new(zre.Badge)) != "" {
			t.Errorf("a clock is wrong that is right: %v", err)
		}
	})
}

// TestGreetingOfPlain shows nothing to who has no identity, nothing of a node that has
// none, and takes from those what is said: they are the same for as long as their key is.
func TestGreetingOfPlain(t *testing.T) {
	ana, ben := with(t, Config{Name: "ana"}), with(t, Config{Name: "ben", Security: api.NodeSecurityPlain})
	var on Nonces
	hello := greeting(ana)
	if card := ana.Present(hello, ben.ID, &on, NewChallenge(), nil, false); card == nil || len(hello.Headers) != 2 {
		t.Errorf("it shows %q", names(hello))
	}
	if badge, err := ben.Vet(ana.ID, nil, hello, &on, nil); err != nil || badge.Card != nil {
		t.Errorf("%v, %v", badge, err)
	}
	hello = greeting(ben)
	if card := ben.Present(hello, ana.ID, &on, NewChallenge(), nil, false); card != nil || len(hello.Headers) != 2 {
		t.Errorf("it shows %q", names(hello))
	}
	one, other := new([32]byte), &[32]byte{1}
	for _, c := range []struct {
		known *zre.Badge
		key   *[32]byte
		same  bool
	}{
		{nil, nil, true},
		{nil, one, true},
		{&zre.Badge{}, nil, true},
		{&zre.Badge{Key: one}, new([32]byte), true},
		{&zre.Badge{Key: one}, other, false},
		{&zre.Badge{Key: one}, nil, false},
		{&zre.Badge{}, one, false},
	} {
		if SameKey(c.known, c.key) != c.same {
			t.Errorf("%v and %v are the same: %v", c.known, c.key, !c.same)
		}
		badge, err := ana.Vet(ben.ID, c.key, hello, &on, c.known)
		switch {
		case !c.same:
			if !errors.Is(err, identity.ErrKey) {
				t.Errorf("after %v, with %v: %v", c.known, c.key, err)
			}
		case c.key != nil: // which is that of nobody whom ana knows
			if !errors.Is(err, identity.ErrNoCard) {
				t.Errorf("after %v, with %v: %v", c.known, c.key, err)
			}
		case err != nil || badge.Card != nil || badge.Key != nil:
			t.Errorf("after %v, with %v: %v, %v", c.known, c.key, badge, err)
		}
	}
}

// TestGreetingOfMembers takes who shows the token of a member, under the name in it, and
// nobody else.
func TestGreetingOfMembers(t *testing.T) {
	network, others := must(identity.OpenNetwork(t.TempDir()))(t), must(identity.OpenNetwork(t.TempDir()))(t)
	ana := member(t, network, "ana", api.NodeSecurityAuto)
	for name, c := range map[string]struct {
		who  *Guard
		as   string
		want error
	}{
		"a member":            {member(t, network, "ben", api.NodeSecurityAuto), "ben", nil},
		"by another name":     {member(t, network, "cat", api.NodeSecurityAuto), "ana", identity.ErrMember},
		"a member of another": {member(t, others, "dan", api.NodeSecurityAuto), "dan", identity.ErrMember},
		"who shows no token":  {with(t, Config{}), "eve", identity.ErrMember},
	} {
		near, far := connection()
		hello := greeting(c.who)
		c.who.Present(hello, ana.ID, &near, NewChallenge(), nil, false)
		proof := &hello.Headers[len(hello.Headers)-1]
		hello.Name, hello.Headers = c.as, hello.Headers[:len(hello.Headers)-1]
		proof.Value = Prove(c.who.Identity, hello, ana.ID, near.Far)
		hello.Headers = append(hello.Headers, *proof)
		badge, err := ana.Vet(c.who.ID, nil, hello, &far, nil)
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err == nil && (badge.Token == nil || badge.Token.Name != c.as) {
			t.Errorf("%s: token %v", name, badge.Token)
		}
	}
}
