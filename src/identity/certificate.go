package identity

import (
	"crypto/ecdh"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/sjohnr/at-once/src/z85"
)

// certificate writes a public key as zcert does.
func certificate(key *ecdh.PublicKey) []byte {
	return properties("Public certificate of CURVE. Who is to trust this node needs it.",
		"metadata\ncurve", "public-key", z85.Encode(key.Bytes()))
}

// LoadCertificate returns the key of a certificate with its secret key that CZMQ's zcert
// has saved. As zcert_load does, it looks into FILE_secret first, and then into FILE. The
// error is fs.ErrNotExist if there is neither, ErrMode if others have rights on it, and
// ErrMalformed if it is not right.
func LoadCertificate(file string) (*ecdh.PrivateKey, error) {
	for _, name := range []string{file + "_secret", file} {
		key, err := read(directory(filepath.Dir(name)), filepath.Base(name), ofSecret, secretIn)
		if err != nil || key != nil {
			return key, err
		}
	}
	return nil, fmt.Errorf("%s_secret, and %s: %w", file, file, fs.ErrNotExist)
}

// errPair is what is wrong with a certificate that is put together from two.
var errPair = errors.New("its public key is not that of its secret key")

// secretIn returns the key of a secret certificate, as zcert saves it.
func secretIn(text string) (*ecdh.PrivateKey, error) {
	secret, err := keyIn(text, "curve", "secret-key")
	if err != nil {
		return nil, err
	}
	key, err := ecdh.X25519().NewPrivateKey(secret[:])
	if err != nil {
		return nil, err
	}
	public, err := keyIn(text, "curve", "public-key")
	if err == nil && string(public[:]) != string(key.PublicKey().Bytes()) {
		err = errPair
	}
	return key, err
}

// Lend has the identity use another key for CURVE until [Identity.Release].
func (i *Identity) Lend(key *ecdh.PrivateKey) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.lent = key
}

// Transport returns the key for CURVE.
func (i *Identity) Transport() *ecdh.PrivateKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.lent != nil {
		return i.lent
	}
	return i.transport
}

// Certificate returns the public key of CURVE as zcert has it.
func (i *Identity) Certificate() string { return string(certificate(i.Transport().PublicKey())) }
