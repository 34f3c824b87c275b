package zmtp

import (
	"errors"
	"fmt"
	"io"
	"os"

	machine "github.com/sjohnr/at-once/generated/go/handshakemachine"
)

// GreetingSize is the length of a greeting in octets.
const GreetingSize = 64

// Offsets in the greeting (RFC 37, "Formal Grammar"). The first eleven octets
// are enough to tell the version, and all that an older peer sends at first.
const (
	greetingMajor     = 10
	greetingMinor     = 11
	greetingMechanism = 12
	greetingServer    = 32
	greetingVersion   = 11 // octets up to and with the major version
)

// AppendGreeting appends a greeting of ZMTP 3.1. Mechanism has at most 20 octets.
func AppendGreeting(b []byte, mechanism string) []byte {
	var g [GreetingSize]byte
	g[0], g[9] = 0xff, 0x7f
	g[greetingMajor], g[greetingMinor] = 3, 1
	copy(g[greetingMechanism:greetingServer], mechanism)
	return append(b, g[:]...)
}

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
	in      []byte             // of what is read
	next    int                // octets wanted
	read    func([]byte) error // what to do with what is read when they are there
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
	h.expect(greetingVersion, h.readVersion)
	if !h.curve.eager() {
		h.raise(machine.EventStart)
	} else if err := h.curve.begin(); err != nil {
		h.fail(machine.EventViolation, err)
	} else {
		h.raise(machine.EventStartEager)
	}
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
	h.in = append(h.in, b...)
	if err := h.read(h.in); err != nil {
		h.fail(machine.EventViolation, err)
	}
}

// expect says how many octets come next, and what to do with them.
func (h *Handshake) expect(octets int, read func([]byte) error) {
	h.in, h.next, h.read = nil, octets, read
}

// readVersion reads the first octets of a greeting. What follows the signature's first
// octet has no meaning up to its last (RFC 37, "Version Negotiation"); versions above ours
// are for the far side to step down from.
func (h *Handshake) readVersion(g []byte) error {
	if g[0] != 0xff || g[9] != 0x7f {
		return fmt.Errorf("%w: no ZMTP signature", ErrVersion)
	}
	if major := g[greetingMajor]; major < 3 {
		return fmt.Errorf("%w: version %d", ErrVersion, major)
	}
	h.next, h.read = GreetingSize-greetingVersion, h.readGreeting
	return nil
}

// readGreeting reads a whole greeting. The filler has no meaning; of the as-server octet
// we only know that two servers have nothing to say to each other, since a server of
// libzmq does not set it.
func (h *Handshake) readGreeting(g []byte) (err error) {
	ours := AppendGreeting(nil, h.mechanism())[greetingMechanism:greetingServer]
	theirs := string(g[greetingMechanism:greetingServer])
	switch {
	case theirs != string(ours):
		return fmt.Errorf("%w: we use %s, the far side %s", ErrMechanism, h.mechanism(), quote(theirs))
	case h.curve.server() && g[greetingServer] != 0:
		return fmt.Errorf("%w: both are %s servers", ErrMechanism, curve)
	case g[greetingMajor] > 3 || g[greetingMinor] > 0:
		h.minor = 1
	}
	h.curve.untie(g)
	switch {
	case h.curve == nil:
		h.await(Ready, h.readReady)
		h.raise(machine.EventNull)
	case h.curve.server():
		h.await(hello, h.readHello)
		h.raise(machine.EventCurveServer)
	default:
		if h.state != machine.StateCurveGreeting { // it has begun
			err = h.curve.begin()
		}
		if err != nil {
			return err
		}
		h.await(welcome, h.readWelcome)
		h.raise(machine.EventCurveClient)
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
	h.expect(shortHeader, h.readHeader)
	h.command, h.obey = command, obey
}

func (h *Handshake) readHeader(b []byte) error {
	flags, head, n := splitHeader(b)
	switch {
	case flags&^flagLong != flagCommand:
		return fmt.Errorf("%w: frame flags %#02x in the handshake", ErrProtocol, flags)
	case head == 0:
		h.next = longHeader - shortHeader
	case n > MaxCommand:
		return fmt.Errorf("%w: command of %d octets", ErrTooLarge, n)
	case n == 0:
		return h.readCommand(nil)
	default:
		h.expect(int(n), h.readCommand)
	}
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

func (h *Handshake) readReady(data []byte) (err error) {
	c := h.curve
	if c != nil {
		if data, err = c.openNext(data, "CurveZMQREADY---", c.box); err != nil {
			return err
		}
	}
	remote, err := parseMetadata(data)
	if err == nil && c != nil {
		err = c.Admits(c.remote, c.addr, remote)
	}
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
