package identity

import (
	"cmp"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/sjohnr/at-once/src/z85"
)

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
