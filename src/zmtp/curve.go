package zmtp

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"golang.org/x/crypto/nacl/secretbox"
	//lint:ignore SA1019 package box does not refuse keys of low order
	"golang.org/x/crypto/salsa20/salsa"
)

// The commands of the handshake (RFC 26), and the size of their data.
const (
	curve    = "CURVE"
	hello    = "HELLO"
	welcome  = "WELCOME"
	initiate = "INITIATE"

	keySize     = 32
	nonceSize   = 24
	shortNonce  = 8
	longNonce   = 16
	helloPad    = 72
	helloKey    = 2 + helloPad
	helloBox    = helloKey + keySize
	helloSize   = helloBox + shortNonce + secretbox.Overhead + 2*keySize
	cookieSize  = longNonce + secretbox.Overhead + 2*keySize
	welcomeSize = longNonce + secretbox.Overhead + keySize + cookieSize
	vouchSize   = longNonce + secretbox.Overhead + 2*keySize
)

// Curve is what a side of the CURVE mechanism is and wants.
type Curve struct {
	Key    *ecdh.PrivateKey // our long-term key, of X25519
	Former *ecdh.PrivateKey // one that a server had before, and that clients may still know it by; nil for none
	Server *ecdh.PublicKey  // the far side's, if we are the client; nil makes us the server
	// Tie is set by a client whose connection the far side may have dialled too, which then is
	// no server either: the one of the two whose public key is lower stays the client. It
	// needs a server that says it is one, as those of libzmq do not.
	Tie bool
	// Admit is asked by a server whether to let a client in that has proved to hold
	// key; nil lets nobody in. What an error says stays here: the client hears but
	// the status 400 of RFC 27, or the reason of a RefusedError that it wraps. A client asks it about the server; nil is content
	// with the key. Admit may be called by several goroutines at a time, and must not
	// block: the time of the handshake runs on.
	Admit func(key [32]byte, addr net.Addr, m *Metadata) error
	// Afford is asked by a server before the first arithmetic of keys that a client has
	// it do; its error ends the handshake. Nil affords all. It must not block either.
	Afford func() error
}

// Check returns an error if the keys are missing or of another curve.
func (c *Curve) Check() error {
	if c.Key == nil || c.Key.Curve() != ecdh.X25519() || c.Server != nil && c.Server.Curve() != ecdh.X25519() || c.Former != nil && c.Former.Curve() != ecdh.X25519() {
		return errors.New("zmtp: CURVE without keys of X25519")
	}
	return nil
}

// Admits returns nil if the far side, which has proved to hold a key, is admitted, else
// an error that wraps ErrAdmission.
func (c *Curve) Admits(key [32]byte, addr net.Addr, m *Metadata) (err error) {
	if c.Admit != nil {
		err = c.Admit(key, addr, m)
	} else if c.Server == nil {
		err = errors.New("nobody is")
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrAdmission, err)
	}
	return err
}

// curveSide is what a side knows during the handshake. Of HELLO and WELCOME a
// server keeps but the key of its cookie, which only INITIATE on the same
// connection brings back.
type curveSide struct {
	Curve
	addr   net.Addr
	remote [32]byte         // long-term key of the far side
	short  *ecdh.PrivateKey // our key of this connection
	far    []byte           // the far side's
	hello  *[32]byte        // of boxes between the client's short and the server's long key
	vouch  *[32]byte        // between the client's long and the server's short key
	box    *[32]byte        // between the short keys
	cookie []byte           // as client: what WELCOME gave us
	secret [32]byte         // as server: the key of the cookie
	cipher *Cipher          // has the short nonces of the handshake too
}

// NewCurveHandshake is NewHandshake with the CURVE mechanism. Curve is checked;
// addr is that of the far side, for Admit.
func NewCurveHandshake(local Metadata, c Curve, addr net.Addr) *Handshake {
	return start(&Handshake{local: local, curve: &curveSide{Curve: c, addr: addr, cipher: new(Cipher)}})
}

func (c *curveSide) server() bool { return c != nil && c.Server == nil }

// untie makes us the server of a client that the far side is too, if it is we who serve; it
// lets nobody else in than whom we took for the server.
func (c *curveSide) untie(greeting []byte) {
	if c == nil || !c.Tie || c.server() || greeting[greetingServer] != 0 {
		return
	}
	far := c.Server.Bytes()
	if bytes.Compare(c.Key.PublicKey().Bytes(), far) < 0 {
		return
	}
	c.Server = nil
	admit := c.Admit
	c.Admit = func(key [32]byte, addr net.Addr, m *Metadata) error {
		if !bytes.Equal(key[:], far) {
			return errors.New("it is somebody else")
		}
		if admit != nil {
			return admit(key, addr, m)
		}
		return nil
	}
}

// next returns our next short nonce.
func (c *curveSide) next() []byte {
	c.cipher.out.last++
	return binary.BigEndian.AppendUint64(nil, c.cipher.out.last)
}

// openNext is openBox for a box with a short nonce.
func (c *curveSide) openNext(b []byte, prefix string, key *[32]byte) ([]byte, error) {
	plain, err := openBox(b, prefix, key)
	if err != nil {
		return nil, err
	}
	return plain, c.cipher.in.advance(binary.BigEndian.Uint64(b))
}

// random returns a long nonce.
func random() []byte {
	b := make([]byte, longNonce)
	rand.Read(b)
	return b
}

// precompute returns the key of boxes between two key pairs, as crypto_box_beforenm
// of NaCl does. A public key that leaves no secret is refused.
func precompute(ours *ecdh.PrivateKey, theirs []byte) (*[32]byte, error) {
	public, err := ecdh.X25519().NewPublicKey(theirs)
	if err != nil {
		return nil, err
	}
	point, err := ours.ECDH(public)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCurve, err)
	}
	key := [32]byte(point)
	salsa.HSalsa20(&key, new([16]byte), &key, &salsa.Sigma)
	return &key, nil
}

// appendBox appends what a nonce has after its prefix, and a box.
func appendBox(b []byte, prefix string, nonce []byte, key *[32]byte, plain []byte) []byte {
	whole := [nonceSize]byte(append([]byte(prefix), nonce...))
	return secretbox.Seal(append(b, nonce...), plain, &whole, key)
}

// openBox opens what appendBox has appended.
func openBox(b []byte, prefix string, key *[32]byte) ([]byte, error) {
	n := nonceSize - len(prefix)
	if len(b) < n+secretbox.Overhead {
		return nil, fmt.Errorf("%w: box of %d octets", ErrProtocol, len(b))
	}
	whole := [nonceSize]byte(append([]byte(prefix), b[:n]...))
	plain, ok := secretbox.Open(nil, b[n:], &whole, key)
	if !ok {
		return nil, fmt.Errorf("%w: box of %s does not open", ErrCurve, prefix)
	}
	return plain, nil
}
