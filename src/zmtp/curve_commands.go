package zmtp

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/nacl/secretbox"

	machine "github.com/sjohnr/at-once/generated/go/handshakemachine"
)

// startClient begins the handshake of CURVE as client (RFC 26).
func (h *Handshake) startClient() (err error) {
	c := h.curve
	c.remote = [32]byte(c.Server.Bytes())
	if c.short, err = ecdh.X25519().GenerateKey(rand.Reader); err != nil {
		return err
	}
	if c.hello, err = precompute(c.short, c.remote[:]); err != nil {
		return err
	}
	h.await(welcome, h.readWelcome)
	h.raise(machine.EventCurveClient)
	return nil
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
	if c.short, err = ecdh.X25519().GenerateKey(rand.Reader); err != nil {
		return err
	}
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
	h.await(Ready, h.readCurveReady)
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
	if c.short, err = ecdh.X25519().NewPrivateKey(cookie[keySize:]); err != nil {
		return nil, err
	}
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

func (h *Handshake) readCurveReady(data []byte) error {
	c := h.curve
	plain, err := c.openNext(data, "CurveZMQREADY---", c.box)
	if err != nil {
		return err
	}
	remote, err := parseMetadata(plain)
	if err == nil {
		err = c.Admits(c.remote, c.addr, remote)
	}
	if err != nil {
		return err
	}
	return h.agree(remote, machine.EventReady)
}
