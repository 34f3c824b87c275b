package identity

import (
	"bytes"
	"cmp"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncecard"
	"github.com/sjohnr/at-once/src/z85"
)

// A card is valid for Lifetime; who holds it shows a new one, with another sealing
// key, after Renewal. The sealing keys of the cards that may still be valid open
// what was sealed for them; older ones are forgotten.
const (
	Lifetime = 2 * time.Hour
	Renewal  = time.Hour
	keptKeys = int(Lifetime / Renewal)
)

// Identity is who a node is: the key that its id is made of, and those that its
// cards bind to that. All methods may be called from any goroutine.
type Identity struct {
	key       ed25519.PrivateKey
	transport *ecdh.PrivateKey
	id        uuid.UUID
	dir       directory // empty if it is in memory only

	renewing    sync.Mutex
	mu          sync.Mutex
	token       *Token           // nil if it is in no network
	roll        *Roll            // of that; nil if it is in none
	errand      []string         // former addresses by which it finds those to whom it brings a roll
	list        *addresses       // of servers, if no directory keeps them; nil for none
	sealing     []sealingKey     // the latest first
	card        *Card            // nil before the first Issue
	text        string           // of the card, which many greetings show
	sealingText string           // of the key that it names, likewise
	incarnation uint64           // the latest
	held        bool             // a node runs with it
	lent        *ecdh.PrivateKey // that the node uses in place of transport; nil for none
	holder      *os.File         // that says so, nil if nothing on disk does
}

// sealingKey is a secret key and the card that names it.
type sealingKey struct {
	hpke.PrivateKey
	card *Card
}

// New returns an identity that nobody has had before.
func New() (*Identity, error) {
	key := ed25519.NewKeyFromSeed(newSeed())
	transport, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("draw a transport key: %w", err)
	}
	return &Identity{key: key, transport: transport, id: IDOf(publicOf(key))}, nil
}

func publicOf(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

// What the class once_identity of the API tells; api/class says what it is.

func (i *Identity) UUID() uuid.UUID   { return i.id }
func (i *Identity) PublicKey() string { return z85.Encode(publicOf(i.key)) }
func (i *Identity) Directory() string { return string(i.dir) }

// Sign signs a message for a purpose, which keeps it from being taken for
// anything else; [Card.Verify] is its counterpart.
func (i *Identity) Sign(purpose string, message Words) []byte {
	return sign(i.key, purpose, message)
}

// Prove is Sign for a message whose last field is the proof, and what binds it: it returns
// the message. [Card.HasProved] is its counterpart.
func (i *Identity) Prove(purpose string, bound []byte, m interface{ AppendTo([]byte) ([]byte, error) }, proof *[]byte) ([]byte, error) {
	return prove(i.key, purpose, bound, m, proof)
}

// Issue returns a new card for an incarnation of the node, with a new sealing key.
func (i *Identity) Issue(incarnation uint64, now time.Time) (*Card, error) {
	sealing, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("draw a sealing key: %w", err)
	}
	return i.issue(sealing, incarnation, now)
}

func (i *Identity) issue(sealing hpke.PrivateKey, incarnation uint64, now time.Time) (*Card, error) {
	if last := i.Card(); last != nil && last.Incarnation == incarnation && !now.Truncate(time.Second).After(last.NotBefore) && last.NotBefore.Sub(now) < skew {
		now = last.NotBefore.Add(time.Second) // the latest is the one that counts
	}
	public := sealing.PublicKey().Bytes()
	digest := sha256.Sum256(public)
	m := oncecard.Card{
		Identity: publicOf(i.key), Transport: i.Transport().PublicKey().Bytes(),
		Sealing: digest[:], Incarnation: incarnation,
		NotBefore: uint64(now.Unix()), Expiry: uint64(now.Add(Lifetime).Unix()),
	}
	octets, err := i.Prove(cardPurpose, nil, &m, &m.Proof)
	if err != nil {
		return nil, fmt.Errorf("make a card: %w", err)
	}
	card := cardOf(&m, octets)
	card.Sealing.key = public
	i.mu.Lock()
	defer i.mu.Unlock()
	i.card, i.text, i.sealingText = card, Base64(octets), Base64(card.Sealing.Key())
	i.sealing = append([]sealingKey{{sealing, card}}, i.sealing[:min(len(i.sealing), keptKeys-1)]...)
	return card, nil
}

// Renew issues another card if that is due: the latest is older than Renewal, or from
// the future, by the wall clock. A card expires by that as well, and it goes on while
// the machine sleeps.
func (i *Identity) Renew(now time.Time) error {
	i.renewing.Lock()
	defer i.renewing.Unlock()
	card := i.Card() // its times are the wall clock's only
	if !now.Before(card.NotBefore) && now.Before(card.NotBefore.Add(Renewal)) {
		return nil
	}
	_, err := i.Issue(card.Incarnation, now)
	return err
}

// Card returns the latest card, nil before the first.
func (i *Identity) Card() *Card {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.card
}

// CardText returns the latest card, and it and the sealing key that it names in [Base64].
func (i *Identity) CardText() (card *Card, text, sealing string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.card, i.text, i.sealingText
}

// SealingKey returns the secret key of the one of the latest cards that [Card.Short] names,
// and that card, or nil.
func (i *Identity) SealingKey(card uint64) (hpke.PrivateKey, *Card) {
	key := i.sealingKey(func(c *Card) bool { return c.Short() == card })
	return key.PrivateKey, key.card
}

// Sealing returns the public key with a digest that one of the latest cards names, or nil.
func (i *Identity) Sealing(digest []byte) []byte {
	key := i.sealingKey(func(c *Card) bool { return bytes.Equal(c.Sealing.digest[:], digest) })
	if key.card == nil {
		return nil
	}
	return key.card.Sealing.Key()
}

func (i *Identity) sealingKey(of func(*Card) bool) (key sealingKey) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if at := slices.IndexFunc(i.sealing, func(k sealingKey) bool { return of(k.card) }); at >= 0 {
		key = i.sealing[at]
	}
	return key
}

// Hold takes an identity for a node, until Release. The error is ErrInUse if a node has
// it already, of this process or, with a directory, of another on this file system.
// After any other error the identity is held, but the directory does not tell so:
// others may take it too.
func (i *Identity) Hold() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.held {
		return fmt.Errorf("%s, in this process: %w", i.id, ErrInUse)
	}
	file, err := i.dir.hold()
	i.holder, i.held = file, !errors.Is(err, ErrInUse)
	return err
}

// Release gives an identity back that Hold has taken.
func (i *Identity) Release() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.holder != nil {
		_ = i.holder.Close() // which unlocks it
	}
	i.holder, i.held, i.lent = nil, false, nil
}

// The files of an identity, beside identity.key and those of what it trusts.
const (
	fileCertificate = "transport.cert" // as CZMQ's zcert has it
	fileTransport   = "transport.cert_secret"
	fileIncarnation = "incarnation"
	fileToken       = "token"
)

// Open returns the identity in a directory, and makes both if they are missing. Without
// a directory it is a new one, in memory only.
func Open(dir string) (*Identity, error) {
	if dir == "" {
		return New()
	}
	if err := directory(dir).establishKey("identity", newSeed()); err != nil {
		return nil, err
	}
	return Load(dir)
}

// Load returns the identity in a directory. A missing key for the transport is made.
// The error is fs.ErrNotExist if there is no identity, ErrMode if others have rights
// on its files, ErrMalformed if one is not right.
func Load(dir string) (*Identity, error) {
	d := directory(dir)
	key, err := d.key("identity")
	if err != nil {
		return nil, err
	}
	i := &Identity{key: key, id: IDOf(publicOf(key)), dir: d}
	if i.transport, err = d.transport(); err != nil {
		return nil, err
	}
	return i, i.belong()
}

// Incarnation returns a number for a start of the node: the time in nanoseconds since
// 1970, but more than at any start before that the directory knows of. An error beside
// a number that is not 0 says that the directory will not know of this one.
func (i *Identity) Incarnation(now time.Time) (next uint64, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	unkept := i.dir.locked(func() error {
		if next, err = i.dir.next(i.incarnation, now); err != nil {
			return err
		}
		return i.dir.write(fileIncarnation, 0o600, fmt.Appendln(nil, next))
	})
	if next == 0 { // the directory has no lock, or no right number
		if next, err = i.dir.next(i.incarnation, now); err != nil {
			return 0, err
		}
	}
	i.incarnation = next
	return next, unkept
}

// next returns the number of a start after one, and after the latest that the directory knows.
func (d directory) next(after uint64, now time.Time) (uint64, error) {
	last, err := read(d, fileIncarnation, ofTrusted, func(text string) (uint64, error) {
		return strconv.ParseUint(strings.TrimSuffix(text, "\n"), 10, 63)
	})
	if err != nil {
		return 0, err
	}
	return max(max(last, after)+1, uint64(max(now.UnixNano(), 0))), nil
}

func newSeed() []byte {
	seed := make([]byte, ed25519.SeedSize)
	rand.Read(seed)
	return seed
}

// establishKey makes the directory, and in it the file of a key of Ed25519, unless they
// are there.
func (d directory) establishKey(kind string, seed []byte) error {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return err
	}
	return d.establish(kind+".key", 0o600, properties("Secret key of @Once. Who has it can pass for its owner.",
		kind, "secret-key", z85.Encode(seed)))
}

// orElse is what else there is to do where a key is missing: one that is made anew is in the
// way of the one that was lost.
var orElse = map[string]string{"network": ", or if it is lost, restore its backup with once network restore"}

// key returns the key that establishKey wrote.
func (d directory) key(kind string) (ed25519.PrivateKey, error) {
	name := kind + ".key"
	key, err := read(d, name, ofSecret, func(text string) (ed25519.PrivateKey, error) {
		seed, err := keyIn(text, kind, "secret-key")
		return ed25519.NewKeyFromSeed(seed[:]), err
	})
	if err == nil && key == nil {
		err = fmt.Errorf("%s: %w: make one with once %s new%s", d.path(name), fs.ErrNotExist, kind, orElse[kind])
	}
	return key, err
}

// transport returns the key of the certificate, which it makes if it is missing.
func (d directory) transport() (*ecdh.PrivateKey, error) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	public := z85.Encode(key.PublicKey().Bytes())
	if err = d.establish(fileTransport, 0o600, properties("Secret certificate of CURVE. Show it to nobody.",
		"metadata\ncurve", "public-key", public, "secret-key", z85.Encode(key.Bytes()))); err != nil {
		return nil, err
	}
	key, err = read(d, fileTransport, ofSecret, secretIn)
	if err != nil || key == nil {
		return nil, cmp.Or(err, fs.ErrNotExist)
	}
	if err = d.establish(fileCertificate, 0o644, certificate(key.PublicKey())); readOnly(err) {
		err = nil // the key holds all that it says
	}
	return key, err
}

// token returns the token in the directory, nil if there is none. It may have expired.
func (d directory) token() (*Token, error) { return read(d, fileToken, ofTrusted, tokenIn) }
