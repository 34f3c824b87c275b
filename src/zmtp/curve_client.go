package zmtp

import (
	"crypto/ecdh"
	"crypto/rand"
	"fmt"
	"slices"

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

// SendHello and SendInitiate are actions of the machine.

func (h *Handshake) SendHello() {
	c := h.curve
	data := make([]byte, helloKey, helloSize)
	data[0] = 1 // version 1.0
	data = append(data, c.short.PublicKey().Bytes()...)
	data = appendBox(data, "CurveZMQHELLO---", c.next(), c.hello, make([]byte, 2*keySize))
	h.out = AppendCommand(h.out, hello, data)
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
