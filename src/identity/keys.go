package identity

import (
	"cmp"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/z85"
)

// keys are what somebody shows to be who it is: the key that its id is made of, and one for
// CURVE. All methods may be called from any goroutine.
type keys struct {
	key       ed25519.PrivateKey
	id        uuid.UUID
	transport *ecdh.PrivateKey
	lent      atomic.Pointer[ecdh.PrivateKey] // that the node uses in place of transport; nil for none
}

// What the class once_identity of the API tells; api/class says what it is.

func (k *keys) UUID() uuid.UUID     { return k.id }
func (k *keys) PublicKey() string   { return z85.Encode(publicOf(k.key)) }
func (k *keys) Certificate() string { return string(certificate(k.Transport().PublicKey())) }

// Transport returns the key for CURVE.
func (k *keys) Transport() *ecdh.PrivateKey { return cmp.Or(k.lent.Load(), k.transport) }

// Lend has the identity use another key for CURVE until [Identity.Release].
func (k *keys) Lend(key *ecdh.PrivateKey) { k.lent.Store(key) }

// Sign signs a message for a purpose, which keeps it from being taken for
// anything else; [Card.Verify] is its counterpart.
func (k *keys) Sign(purpose string, message Words) []byte {
	return sign(k.key, purpose, message)
}

// Prove is Sign for a message whose last field is the proof, and what binds it: it returns
// the message. [Card.HasProved] is its counterpart.
func (k *keys) Prove(purpose string, bound []byte, m interface{ AppendTo([]byte) ([]byte, error) }, proof *[]byte) ([]byte, error) {
	return prove(k.key, purpose, bound, m, proof)
}

func publicOf(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

func newSeed() []byte {
	seed := make([]byte, ed25519.SeedSize)
	rand.Read(seed)
	return seed
}

// The files of the key for CURVE.
const (
	fileCertificate = "transport.cert" // as CZMQ's zcert has it
	fileTransport   = "transport.cert_secret"
)

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
