package identity

import (
	"bytes"
	"crypto/hpke"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncecard"
)

// A card is valid for Lifetime; who holds it shows a new one, with another sealing
// key, after Renewal. The sealing keys of the cards that may still be valid open
// what was sealed for them; older ones are forgotten.
const (
	Lifetime = 2 * time.Hour
	Renewal  = time.Hour
	keptKeys = int(Lifetime / Renewal)
)

// cards are those of an identity, with the keys that open what was sealed for who shows one.
// All methods may be called from any goroutine.
type cards struct {
	by *keys // that the cards are of

	renewing    sync.Mutex
	mu          sync.Mutex
	sealing     []sealingKey // the latest first
	card        *Card        // nil before the first Issue
	text        string       // of the card, which many greetings show
	sealingText string       // of the key that it names, likewise
}

// sealingKey is a secret key and the card that names it.
type sealingKey struct {
	hpke.PrivateKey
	card *Card
}

// Issue returns a new card for an incarnation of the node, with a new sealing key.
func (c *cards) Issue(incarnation uint64, now time.Time) (*Card, error) {
	sealing, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("draw a sealing key: %w", err)
	}
	return c.issue(sealing, incarnation, now)
}

func (c *cards) issue(sealing hpke.PrivateKey, incarnation uint64, now time.Time) (*Card, error) {
	if last := c.Card(); last != nil && last.Incarnation == incarnation && !now.Truncate(time.Second).After(last.NotBefore) && last.NotBefore.Sub(now) < skew {
		now = last.NotBefore.Add(time.Second) // the latest is the one that counts
	}
	public := sealing.PublicKey().Bytes()
	digest := sha256.Sum256(public)
	m := oncecard.Card{
		Identity: publicOf(c.by.key), Transport: c.by.Transport().PublicKey().Bytes(),
		Sealing: digest[:], Incarnation: incarnation,
		NotBefore: uint64(now.Unix()), Expiry: uint64(now.Add(Lifetime).Unix()),
	}
	octets, err := c.by.Prove(cardPurpose, nil, &m, &m.Proof)
	if err != nil {
		return nil, fmt.Errorf("make a card: %w", err)
	}
	card := cardOf(&m, octets)
	card.Sealing.key = public
	c.mu.Lock()
	defer c.mu.Unlock()
	c.card, c.text, c.sealingText = card, Base64(octets), Base64(card.Sealing.Key())
	c.sealing = append([]sealingKey{{sealing, card}}, c.sealing[:min(len(c.sealing), keptKeys-1)]...)
	return card, nil
}

// Renew issues another card if that is due: the latest is older than Renewal, or from
// the future, by the wall clock. A card expires by that as well, and it goes on while
// the machine sleeps.
func (c *cards) Renew(now time.Time) error {
	c.renewing.Lock()
	defer c.renewing.Unlock()
	card := c.Card() // its times are the wall clock's only
	if !now.Before(card.NotBefore) && now.Before(card.NotBefore.Add(Renewal)) {
		return nil
	}
	_, err := c.Issue(card.Incarnation, now)
	return err
}

// Card returns the latest card, nil before the first.
func (c *cards) Card() *Card {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.card
}

// CardText returns the latest card, and it and the sealing key that it names in [Base64].
func (c *cards) CardText() (card *Card, text, sealing string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.card, c.text, c.sealingText
}

// SealingKey returns the secret key of the one of the latest cards that [Card.Short] names,
// and that card, or nil.
func (c *cards) SealingKey(card uint64) (hpke.PrivateKey, *Card) {
	key := c.sealingKey(func(of *Card) bool { return of.Short() == card })
	return key.PrivateKey, key.card
}

// Sealing returns the public key with a digest that one of the latest cards names, or nil.
func (c *cards) Sealing(digest []byte) []byte {
	key := c.sealingKey(func(of *Card) bool { return bytes.Equal(of.Sealing.digest[:], digest) })
	if key.card == nil {
		return nil
	}
	return key.card.Sealing.Key()
}

func (c *cards) sealingKey(of func(*Card) bool) (key sealingKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := slices.IndexFunc(c.sealing, func(k sealingKey) bool { return of(k.card) }); at >= 0 {
		key = c.sealing[at]
	}
	return key
}
