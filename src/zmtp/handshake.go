package zmtp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	machine "github.com/sjohnr/at-once/generated/go/handshakemachine"
)

// Null is the name of the mechanism without security.
const Null = "NULL"

// Handshake is one side of the handshake of a connection, as a machine that is
// fed with octets and leaves octets to be sent. It reads exactly what belongs to
// the handshake and never allocates more than MaxCommand octets for the far side.
type Handshake struct {
	local   Metadata
	curve   *curveSide // nil with NULL
	state   machine.State
	out     []byte
	next    int                // octets wanted
	read    func([]byte) error // what to do with them
	command string             // wanted
	obey    func([]byte) error // what to do with its data
	minor   int
	remote  *Metadata
	err     error
}

// Result is what a successful handshake agreed on.
type Result struct {
	Remote *Metadata
	Minor  int      // 0 if the far side speaks ZMTP 3.0, which has no PING; else 1
	Key    [32]byte // public key that the far side has proved to hold; zero with NULL
	Own    [32]byte // public key of ours that it knows us by; zero with NULL
	Cipher *Cipher  // nil with NULL
}

// NewHandshake begins a handshake with the NULL mechanism: a greeting is there to
// be sent.
func NewHandshake(local Metadata) *Handshake { return start(&Handshake{local: local}) }

func start(h *Handshake) *Handshake {
	h.next, h.read = greetingVersion, h.readVersion
	h.raise(machine.EventStart)
	return h
}

// Next returns how many octets Receive wants, 0 when the handshake is over.
func (h *Handshake) Next() int {
	if h.state.Final() {
		return 0
	}
	return h.next
}

// Outgoing returns the octets to be sent, and forgets them.
func (h *Handshake) Outgoing() []byte {
	out := h.out
	h.out = nil
	return out
}

// Result returns the outcome of a handshake that is over.
func (h *Handshake) Result() (*Result, error) {
	if h.state != machine.StateOpen {
		return nil, h.err
	}
	r := &Result{Remote: h.remote, Minor: h.minor}
	if h.curve != nil {
		r.Key, r.Own, r.Cipher = h.curve.remote, [32]byte(h.curve.Key.PublicKey().Bytes()), h.curve.cipher
	}
	return r, nil
}

// Run does the handshake over a connection. It reads no octet that belongs to
// what comes after. The caller sets the deadline, and closes the connection
// after an error.
func (h *Handshake) Run(conn io.ReadWriter) (*Result, error) {
	for {
		if out := h.Outgoing(); len(out) > 0 {
			if _, err := conn.Write(out); err != nil {
				h.lost(err)
			}
		}
		if h.Next() == 0 {
			return h.Result()
		}
		b := make([]byte, h.Next())
		if _, err := io.ReadFull(conn, b); err != nil {
			h.lost(err)
			continue
		}
		h.Receive(b)
	}
}

// Receive takes the next octets of the far side, exactly Next() of them.
func (h *Handshake) Receive(b []byte) {
	if err := h.read(b); err != nil {
		h.fail(machine.EventViolation, err)
	}
}

func (h *Handshake) readVersion(b []byte) error {
	if err := checkVersion(b); err != nil {
		return err
	}
	greeting := append(make([]byte, 0, GreetingSize), b...)
	h.next = GreetingSize - greetingVersion
	h.read = func(b []byte) error { return h.readGreeting(append(greeting, b...)) }
	return nil
}

func (h *Handshake) readGreeting(greeting []byte) error {
	if err := checkMechanism(greeting, h.mechanism(), h.curve.server()); err != nil {
		return err
	}
	h.minor = minor(greeting)
	h.curve.untie(greeting)
	switch {
	case h.curve == nil:
		h.await(Ready, h.readReady)
		h.raise(machine.EventNull)
	case h.curve.server():
		h.await(hello, h.readHello)
		h.raise(machine.EventCurveServer)
	default:
		return h.startClient()
	}
	return nil
}

func (h *Handshake) mechanism() string {
	if h.curve != nil {
		return curve
	}
	return Null
}

// await says which command comes next, and what to do with its data.
func (h *Handshake) await(command string, obey func(data []byte) error) {
	h.next, h.read = shortHeader, h.readHeader
	h.command, h.obey = command, obey
}

func (h *Handshake) readHeader(b []byte) error {
	switch b[0] {
	case flagCommand:
		return h.expectBody(uint64(b[1]))
	case flagCommand | flagLong:
		high := b[1] // of the eight octets of the size
		h.next = longHeader - shortHeader
		h.read = func(b []byte) error {
			return h.expectBody(binary.BigEndian.Uint64(append([]byte{high}, b...)))
		}
		return nil
	}
	return fmt.Errorf("%w: frame flags %#02x in the handshake", ErrProtocol, b[0])
}

func (h *Handshake) expectBody(n uint64) error {
	if n > MaxCommand {
		return fmt.Errorf("%w: command of %d octets", ErrTooLarge, n)
	}
	if n == 0 {
		return h.readCommand(nil)
	}
	h.next, h.read = int(n), h.readCommand
	return nil
}

func (h *Handshake) readCommand(body []byte) error {
	name, data, err := SplitCommand(body)
	if err != nil {
		return err
	}
	switch {
	case string(name) == h.command:
		return h.obey(data)
	case string(name) == Error && !h.curve.server():
		h.fail(machine.EventRefused, ParseError(data))
		return nil
	}
	return fmt.Errorf("%w: %s in place of %s", ErrProtocol, quote(string(name)), h.command)
}

func (h *Handshake) readReady(data []byte) error {
	remote, err := parseMetadata(data)
	if err != nil {
		return err
	}
	return h.agree(remote, machine.EventReady)
}

// agree ends the handshake, in success if the socket types go together.
func (h *Handshake) agree(remote *Metadata, event machine.Event) error {
	if !Compatible(h.local.Type, remote.Type) {
		h.fail(machine.EventMismatch, fmt.Errorf("%w: %s and %s", ErrSocketType, h.local.Type, quote(remote.Type)))
		return nil
	}
	h.remote = remote
	h.raise(event)
	return nil
}

// lost ends the handshake because of an error of the connection.
func (h *Handshake) lost(err error) {
	event := machine.EventLost
	if errors.Is(err, os.ErrDeadlineExceeded) {
		event = machine.EventTimeout
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	h.fail(event, fmt.Errorf("zmtp: handshake: %w", err))
}

func (h *Handshake) fail(event machine.Event, err error) {
	if h.err == nil {
		h.err = err
	}
	h.raise(event)
}

// raise moves the machine, whose model handles every event in every state.
func (h *Handshake) raise(event machine.Event) {
	h.state, _ = machine.Step(h.state, event, h)
}

// SendGreeting, SendReady and SendError are the machine's actions.

func (h *Handshake) SendGreeting() {
	h.out = AppendGreeting(h.out, h.mechanism())
	if h.curve.server() {
		h.out[greetingServer] = 1
	}
}

func (h *Handshake) SendReady() { h.out = AppendCommand(h.out, Ready, h.local.append(nil)) }

func (h *Handshake) SendError() {
	reason, told := "socket types do not match", new(RefusedError)
	if errors.As(h.err, &told) {
		reason = told.Reason
	} else if errors.Is(h.err, ErrAdmission) {
		reason = "400"
	}
	h.out = AppendCommand(h.out, Error, ErrorData(reason))
}
