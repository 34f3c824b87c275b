package zmtp

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"

	"golang.org/x/crypto/nacl/secretbox"
	//lint:ignore SA1019 package box does not refuse keys of low order
	"golang.org/x/crypto/salsa20/salsa"

	machine "github.com/sjohnr/at-once/generated/go/handshakemachine"
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
	// Eager is set by a client that knows the far side to speak CURVE: it says HELLO without
	// waiting for the greeting. With Tie it does so if it stays the client in any case.
	Eager bool
	// Admit is asked by a server whether to let a client in that has proved to hold
	// key; nil lets nobody in. What an error says stays here: the client hears but
	// the status 400 of RFC 27, or the reason of a RefusedError that it wraps. A client asks it about the server; nil is content
	// with the key. Admit may be called by several goroutines at a time, and must not
	// block: the time of the handshake runs on.
	Admit func(key [32]byte, addr net.Addr, m *Metadata) error
	// Afford is asked before the first arithmetic of keys that the far side has this side
	// do: by a server about a HELLO, by a client about the server's greeting. Its error ends
	// the handshake. Nil affords all. It must not block either, but may set the connection
	// another deadline.
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

// lower tells whether a client's key is lower than the server's.
func (c *curveSide) lower() bool {
	return bytes.Compare(c.Key.PublicKey().Bytes(), c.Server.Bytes()) < 0
}

// eager tells whether this side says HELLO before it has heard a greeting.
func (c *curveSide) eager() bool {
	return c != nil && !c.server() && c.Eager && (!c.Tie || c.lower())
}

// begin draws what a client's HELLO is made of.
func (c *curveSide) begin() (err error) {
	if c.Afford != nil {
		if err := c.Afford(); err != nil {
			return err
		}
	}
	c.remote, c.short = [32]byte(c.Server.Bytes()), newKey()
	c.hello, err = precompute(c.short, c.remote[:])
	return err
}

// untie makes us the server of a client that the far side is too, if it is we who serve; it
// lets nobody else in than whom we took for the server.
func (c *curveSide) untie(greeting []byte) {
	if c == nil || !c.Tie || c.server() || greeting[greetingServer] != 0 {
		return
	}
	if c.lower() {
		return
	}
	far := c.Server.Bytes()
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

// newKey returns a key for one connection.
func newKey() *ecdh.PrivateKey {
	key, _ := ecdh.X25519().GenerateKey(rand.Reader) // which never fails
	return key
}

// precompute returns the key of boxes between two key pairs, as crypto_box_beforenm
// of NaCl does. A public key that leaves no secret is refused.
func precompute(ours *ecdh.PrivateKey, theirs []byte) (*[32]byte, error) {
	public, _ := ecdh.X25519().NewPublicKey(theirs) // only other sizes are wrong
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

// The commands of the handshake in turn (RFC 26), each as one side sends it and the other
// reads it. What sends is an action of the machine.

func (h *Handshake) SendHello() {
	c := h.curve
	data := make([]byte, helloKey, helloSize)
	data[0] = 1 // version 1.0
	data = append(data, c.short.PublicKey().Bytes()...)
	data = appendBox(data, "CurveZMQHELLO---", c.next(), c.hello, make([]byte, 2*keySize))
	h.out = AppendCommand(h.out, hello, data)
}

func (h *Handshake) readHello(data []byte) (err error) {
	c := h.curve
	if len(data) != helloSize || data[0] != 1 || data[1] != 0 || len(bytes.Trim(data[2:helloKey], "\x00")) > 0 {
		return fmt.Errorf("%w: HELLO is not one of CURVE 1.0", ErrProtocol)
	}
	if c.Afford != nil {
		if err := c.Afford(); err != nil {
			return err
		}
	}
	c.far = data[helloKey:helloBox]
	if err = c.openHello(data[helloBox:]); errors.Is(err, ErrCurve) && c.Former != nil {
		c.Key = c.Former
		err = c.openHello(data[helloBox:])
	}
	if err != nil {
		return err
	}
	c.short = newKey()
	rand.Read(c.secret[:])
	h.await(initiate, h.readInitiate)
	h.raise(machine.EventHello)
	return nil
}

// openHello opens the box of a HELLO with the server's key.
func (c *curveSide) openHello(box []byte) (err error) {
	if c.hello, err = precompute(c.Key, c.far); err == nil {
		_, err = c.openNext(box, "CurveZMQHELLO---", c.hello)
	}
	return err
}

func (h *Handshake) SendWelcome() {
	c := h.curve
	cookie := appendBox(nil, "COOKIE--", random(), &c.secret, slices.Concat(c.far, c.short.Bytes()))
	plain := slices.Concat(c.short.PublicKey().Bytes(), cookie)
	h.out = AppendCommand(h.out, welcome, appendBox(nil, "WELCOME-", random(), c.hello, plain))
	c.far, c.short, c.hello = nil, nil, nil
}

func (h *Handshake) readWelcome(data []byte) error {
	c := h.curve
	if len(data) != welcomeSize {
		return fmt.Errorf("%w: WELCOME of %d octets", ErrProtocol, len(data))
	}
	plain, err := openBox(data, "WELCOME-", c.hello)
	if err != nil {
		return err
	}
	c.far, c.cookie = plain[:keySize], plain[keySize:]
	if c.box, err = precompute(c.short, c.far); err != nil {
		return err
	}
	if c.vouch, err = precompute(c.Key, c.far); err != nil {
		return err
	}
	h.await(Ready, h.readReady)
	h.raise(machine.EventWelcome)
	return nil
}

func (h *Handshake) SendInitiate() {
	c := h.curve
	vouched := slices.Concat(c.short.PublicKey().Bytes(), c.remote[:])
	plain := appendBox(c.Key.PublicKey().Bytes(), "VOUCH---", random(), c.vouch, vouched)
	data := appendBox(c.cookie, "CurveZMQINITIATE", c.next(), c.box, h.local.append(plain))
	h.out = AppendCommand(h.out, initiate, data)
	c.cipher.setKeys(c.box, "CurveZMQMESSAGEC", "CurveZMQMESSAGES")
}

func (h *Handshake) readInitiate(data []byte) error {
	c := h.curve
	if len(data) < cookieSize+shortNonce+secretbox.Overhead+keySize+vouchSize {
		return fmt.Errorf("%w: INITIATE of %d octets", ErrProtocol, len(data))
	}
	plain, err := c.openInitiate(data)
	if err != nil {
		return err
	}
	remote, err := parseMetadata(plain[keySize+vouchSize:])
	if err != nil {
		return err
	}
	c.remote = [32]byte(plain)
	if err := c.Admits(c.remote, c.addr, remote); err != nil {
		h.fail(machine.EventStranger, err)
		return nil
	}
	return h.agree(remote, machine.EventInitiate)
}

// openInitiate returns what is in the box of an INITIATE: the client's long-term
// key, its vouch, which is proved, and metadata.
func (c *curveSide) openInitiate(data []byte) ([]byte, error) {
	cookie, err := openBox(data[:cookieSize], "COOKIE--", &c.secret)
	if err != nil {
		return nil, err
	}
	c.far = cookie[:keySize]
	c.short, _ = ecdh.X25519().NewPrivateKey(cookie[keySize:]) // only other sizes are wrong
	if c.box, err = precompute(c.short, c.far); err != nil {
		return nil, err
	}
	plain, err := c.openNext(data[cookieSize:], "CurveZMQINITIATE", c.box)
	if err != nil {
		return nil, err
	}
	if c.vouch, err = precompute(c.short, plain[:keySize]); err != nil {
		return nil, err
	}
	vouched, err := openBox(plain[keySize:keySize+vouchSize], "VOUCH---", c.vouch)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(vouched, slices.Concat(c.far, c.Key.PublicKey().Bytes())) {
		return nil, fmt.Errorf("%w: vouch for another connection", ErrCurve)
	}
	return plain, nil
}

// SendCurveReady tells further properties only to a client that has told some: those
// of libzmq before 4.3.2 do not survive a large READY (CVE-2019-13132).
func (h *Handshake) SendCurveReady() {
	c := h.curve
	if len(h.remote.Others) == 0 {
		h.local.Others = nil
	}
	data := appendBox(nil, "CurveZMQREADY---", c.next(), c.box, h.local.append(nil))
	h.out = AppendCommand(h.out, Ready, data)
	c.cipher.setKeys(c.box, "CurveZMQMESSAGES", "CurveZMQMESSAGEC")
}
