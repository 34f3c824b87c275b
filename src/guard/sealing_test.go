package guard

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/wire"
	"github.com/sjohnr/at-once/src/zre"
)

// TestSealingKeyIsBrought has a node greet over connections: the first greeting over each
// brings the key that the card names, and one after it only if the card names another. Over
// CURVE nothing is sealed, and so nothing brought.
func TestSealingKeyIsBrought(t *testing.T) {
	ana, ben := with(t, Config{Name: "ana"}), with(t, Config{Name: "ben"})
	shown, known := (*identity.Card)(nil), (*zre.Badge)(nil)
	near, far := connection()
	greets := func(what string, brings, has bool) {
		t.Helper()
		hello := greeting(ana)
		shown = ana.Present(hello, ben.ID, &near, NewChallenge(), shown, false)
		if brought := slices.Contains(names(hello), HeaderSealing); brought != brings {
			t.Errorf("%s: the key is brought: %v", what, brought)
		}
		badge, err := ben.Vet(ana.ID, nil, hello, &far, known)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if known != nil && known.Card.Sealing.Digest() == badge.Card.Sealing.Digest() && known.Card.Sealing != badge.Card.Sealing {
			t.Errorf("%s: the key is kept twice", what)
		}
		if known = badge; (badge.Card.Sealing.Key() != nil) != has {
			t.Errorf("%s: the key is known: %v", what, !has)
		}
	}
	greets("the first", true, true)
	greets("the second", false, true)
	must(ana.Identity.Issue(ana.Incarnation, time.Now()))(t)
	greets("another card", true, true)
	greets("the same again", false, true)
	shown = nil
	near, far = connection()
	greets("another connection", true, true)
	greets("the second there", false, true)
	known = nil
	greets("the receiver has forgotten all", false, false)

	sure := with(t, Config{Name: "sure", Security: api.NodeSecuritySecure})
	hello := greeting(sure)
	sure.Present(hello, ben.ID, &near, NewChallenge(), nil, false)
	if slices.Contains(names(hello), HeaderSealing) || !slices.Contains(names(hello), HeaderCard) {
		t.Errorf("over CURVE it shows %q", names(hello))
	}
}

// TestSealingKeyIsNotTheCards turns greetings away, signed by the right identity, that bring
// something else than the key which the card names.
func TestSealingKeyIsNotTheCards(t *testing.T) {
	ana, ben, eve := with(t, Config{Name: "ana"}), with(t, Config{Name: "ben"}), with(t, Config{Name: "eve"})
	near, far := connection()
	key := func(of *Guard) []byte { return slices.Clone(of.Identity.Card().Sealing.Key()) }
	for what, value := range map[string]string{
		"nothing":         "",
		"no base64":       "~",
		"another's":       identity.Base64(key(eve)),
		"a part of it":    identity.Base64(key(ana)[1:]),
		"more than it":    identity.Base64(append(key(ana), 0)),
		"an absurd size":  identity.Base64(make([]byte, 48<<10)),
		"a bit is turned": identity.Base64(append(key(ana)[:identity.SealingSize-1], ^key(ana)[identity.SealingSize-1])),
	} {
		hello := greeting(ana)
		hello.Headers = append(hello.Headers, wire.Pair{Key: HeaderSealing, Value: value})
		ana.Present(hello, ben.ID, &near, NewChallenge(), ana.Identity.Card(), false)
		badge, err := ben.Vet(ana.ID, nil, hello, &far, nil)
		if badge != nil || !errors.Is(err, identity.ErrMalformed) || Refusal(err) != api.EventRefusalProof {
			t.Errorf("%s: %v", what, err)
		}
	}
	hello := greeting(ana) // without a card, who brings a key brings nothing
	hello.Headers = append(hello.Headers, wire.Pair{Key: HeaderSealing, Value: identity.Base64(key(ana))})
	if _, err := ben.Vet(ana.ID, nil, hello, &far, nil); !errors.Is(err, identity.ErrNoCard) {
		t.Errorf("without a card: %v", err)
	}
}
