package zmtp

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

var ourselves = Metadata{Type: Router, Identity: []byte("us")}

// feed gives octets to a handshake, as far as it wants them; it returns those left.
func feed(h *Handshake, b []byte) []byte {
	for h.Next() > 0 && len(b) >= h.Next() {
		n := h.Next()
		h.Receive(b[:n:n])
		b = b[n:]
	}
	return b
}

// greeting returns a greeting with some octets put in place of others.
func greeting(at int, octets string) []byte {
	b := AppendGreeting(nil, Null)
	copy(b[at:], octets)
	return b
}

func ready(properties ...string) []byte {
	var data []byte
	for i := 0; i < len(properties); i += 2 {
		data = appendProperty(data, properties[i], []byte(properties[i+1]))
	}
	return AppendCommand(nil, Ready, data)
}

func TestHandshakeLibzmq(t *testing.T) {
	h := NewHandshake(ourselves)
	octets := append(vector(t, "greeting"), vector(t, "READY")...)
	if left := feed(h, append(octets, "next"...)); string(left) != "next" {
		t.Errorf("left %q, want what comes after READY", left)
	}
	r, err := h.Result()
	if err != nil {
		t.Fatal(err)
	}
	if want := append([]byte{1}, octets[len(octets)-16:]...); r.Remote.Type != Dealer || r.Minor != 1 || !bytes.Equal(r.Remote.Identity, want) {
		t.Errorf("got %+v, minor %d", r.Remote, r.Minor)
	}
	want := append(AppendGreeting(nil, Null), ready("Socket-Type", Router, "Identity", "us")...)
	if got := h.Outgoing(); !bytes.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
}

// A handshake that stops anywhere is neither a success nor an error of the far
// side: it waits for more.
func TestHandshakePrefixes(t *testing.T) {
	octets := append(vector(t, "greeting"), vector(t, "READY")...)
	for n := range len(octets) {
		h := NewHandshake(ourselves)
		feed(h, octets[:n])
		if r, err := h.Result(); h.Next() == 0 || r != nil || err != nil {
			t.Fatalf("over after %d octets: %v, %v", n, r, err)
		}
	}
}

func TestHandshakeRefuses(t *testing.T) {
	good := AppendGreeting(nil, Null)
	after := func(b []byte) []byte { return append(bytes.Clone(good), b...) }
	many := make([]string, 0, 2*(maxProperties+1))
	for i := range maxProperties + 1 {
		many = append(many, "X-"+strings.Repeat("x", i), "")
	}
	for _, test := range []struct {
		name   string
		octets []byte
		want   error
	}{
		{"HTTP", []byte("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"), ErrVersion},
		{"ZMTP 1", greeting(0, "\x01"), ErrVersion},
		{"no end of signature", greeting(9, "\x00"), ErrVersion},
		{"ZMTP 2", greeting(10, "\x01"), ErrVersion},
		{"CURVE", greeting(12, "CURVE"), ErrMechanism},
		{"mechanism NULLX", greeting(12, "NULLX"), ErrMechanism},
		{"mechanism with something after it", greeting(31, "X"), ErrMechanism},
		{"message", after([]byte("\x00\x01a")), ErrProtocol},
		{"reserved flag", after([]byte("\x0c\x00")), ErrProtocol},
		{"empty command", after([]byte("\x04\x00")), ErrProtocol},
		{"PING before READY", after(AppendCommand(nil, Ping, []byte{0, 0})), ErrProtocol},
		{"command of 2^64-1", after([]byte("\x06\xff\xff\xff\xff\xff\xff\xff\xff")), ErrTooLarge},
		{"command above the limit", after([]byte("\x06\x00\x00\x00\x00\x00\x00\x20\x01")), ErrTooLarge},
		{"no socket type", after(ready()), ErrSocketType},
		{"socket type of another pattern", after(ready("Socket-Type", "PUB")), ErrSocketType},
		{"REP to ROUTER", after(ready("Socket-Type", "REP")), ErrSocketType},
		{"property twice", after(ready("Identity", "a", "identity", "a")), ErrProtocol},
		{"too many properties", after(ready(many...)), ErrProtocol},
		{"property without name", after(ready("", "a")), ErrProtocol},
		{"property name with space", after(ready("a b", "a")), ErrProtocol},
		{"property cut short", after(AppendCommand(nil, Ready, []byte("\x01a\x00\x00\x00\x02x"))), ErrProtocol},
		{"property size cut short", after(AppendCommand(nil, Ready, []byte("\x01a\x00\x00\x00"))), ErrProtocol},
		{"identity that begins with zero", after(ready("Socket-Type", Dealer, "Identity", "\x00a")), ErrProtocol},
		{"identity of 256 octets", after(ready("Socket-Type", Dealer, "Identity", strings.Repeat("i", 256))), ErrProtocol},
		{"malformed ERROR", after(AppendCommand(nil, Error, []byte("\x05no"))), ErrProtocol},
	} {
		h := NewHandshake(ourselves)
		feed(h, test.octets)
		if r, err := h.Result(); h.Next() != 0 || r != nil || !errors.Is(err, test.want) {
			t.Errorf("%s: %v, %v, want %v", test.name, r, err, test.want)
		}
	}
}

func TestHandshakeAccepts(t *testing.T) {
	for _, test := range []struct {
		name  string
		start []byte
		ready []byte
		minor int
	}{
		{"ZMTP 3.0", greeting(11, "\x00"), ready("Socket-Type", Dealer), 0},
		{"ZMTP 3.2", greeting(11, "\x02"), ready("Socket-Type", Dealer), 1},
		{"ZMTP 4.0", greeting(10, "\x04\x00"), ready("Socket-Type", Dealer), 1},
		{"padding, as-server and filler", greeting(1, "12345678"), ready("Socket-Type", Router), 1},
		{"names in any case", greeting(32, "\x01filler"), ready("sOCKET-tYPE", "REQ", "IDENTITY", "i"), 1},
		{"long form", greeting(0, ""), ready("Socket-Type", Dealer, "X-Long", strings.Repeat("x", 300)), 1},
	} {
		h := NewHandshake(ourselves)
		feed(h, append(test.start, test.ready...))
		if r, err := h.Result(); err != nil || r.Minor != test.minor {
			t.Errorf("%s: %+v, %v", test.name, r, err)
		}
	}
}

func TestOtherProperties(t *testing.T) {
	h := NewHandshake(ourselves)
	feed(h, append(greeting(0, ""), ready("Socket-Type", Dealer, "X-Color", "blue", "Resource", "")...))
	r, err := h.Result()
	if err != nil || len(r.Remote.Others) != 2 || string(r.Remote.Others["x-color"]) != "blue" {
		t.Errorf("got %+v, %v", r, err)
	}
}

// RFC 37, "The Socket-Type Property": an error is answered with ERROR, which the
// far side takes as a refusal.
func TestMismatchIsAnswered(t *testing.T) {
	h := NewHandshake(ourselves)
	feed(h, append(greeting(0, ""), ready("Socket-Type", "PUB")...))
	sent := h.Outgoing()[len(greeting(0, ""))+len(ready("Socket-Type", Router, "Identity", "us")):]
	far := NewHandshake(Metadata{Type: Dealer})
	feed(far, append(greeting(0, ""), sent...))
	var refused *RefusedError
	if _, err := far.Result(); !errors.As(err, &refused) || refused.Reason != "socket types do not match" {
		t.Errorf("the far side sees %v, want a refusal", err)
	}
}

// RFC 37's table of socket types that go together, for the two that we are.
func TestCompatible(t *testing.T) {
	goes := map[string]bool{
		"DEALER REP": true, "DEALER DEALER": true, "DEALER ROUTER": true,
		"ROUTER REQ": true, "ROUTER DEALER": true, "ROUTER ROUTER": true,
	}
	for _, ours := range []string{Dealer, Router} {
		for _, theirs := range strings.Fields("REQ REP DEALER ROUTER PUB XPUB SUB XSUB PUSH PULL PAIR CLIENT SERVER dealer") {
			if got := Compatible(ours, theirs); got != goes[ours+" "+theirs] {
				t.Errorf("%s to %s: %v", ours, theirs, got)
			}
		}
	}
}

// wire is a connection on which the far side has said all it will.
type wire struct {
	io.Reader
	io.Writer
}

// failing is a Writer that fails.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestRun(t *testing.T) {
	var sent bytes.Buffer
	said := bytes.NewReader(append(append(vector(t, "greeting"), vector(t, "READY")...), "next"...))
	r, err := NewHandshake(ourselves).Run(wire{iotest.OneByteReader(said), &sent})
	if err != nil || r.Remote.Type != Dealer {
		t.Fatalf("got %+v, %v", r, err)
	}
	if said.Len() != len("next") {
		t.Errorf("read %d octets too many", len("next")-said.Len())
	}
	far := NewHandshake(Metadata{Type: Dealer})
	feed(far, sent.Bytes())
	if r, err := far.Result(); err != nil || string(r.Remote.Identity) != "us" {
		t.Errorf("the far side has %+v, %v", r, err)
	}
}

func TestRunEnds(t *testing.T) {
	start := bytes.NewReader(greeting(0, ""))
	failed := errors.New("the network is down")
	for _, test := range []struct {
		name string
		conn wire
		want error
	}{
		{"the far side goes", wire{start, io.Discard}, io.ErrUnexpectedEOF},
		{"the far side never comes", wire{bytes.NewReader(nil), io.Discard}, io.ErrUnexpectedEOF},
		{"time is up", wire{iotest.ErrReader(os.ErrDeadlineExceeded), io.Discard}, os.ErrDeadlineExceeded},
		{"reading fails", wire{iotest.ErrReader(failed), io.Discard}, failed},
		{"writing fails", wire{start, failing{failed}}, failed},
	} {
		start.Seek(0, io.SeekStart)
		if r, err := NewHandshake(ourselves).Run(test.conn); r != nil || !errors.Is(err, test.want) {
			t.Errorf("%s: %v, %v, want %v", test.name, r, err, test.want)
		}
	}
}

// Nothing that comes makes a handshake panic, want too much, or go on for ever.
func FuzzHandshake(f *testing.F) {
	f.Add(append(vector(f, "greeting"), vector(f, "READY")...))
	f.Add(append(greeting(0, ""), AppendCommand(nil, Error, []byte("\x02no"))...))
	f.Add([]byte("GET / HTTP/1.1\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h := NewHandshake(ourselves)
		feed(h, b)
		if h.Next() > MaxCommand {
			t.Fatalf("wants %d octets", h.Next())
		}
		if r, err := h.Result(); h.Next() == 0 && (r == nil) == (err == nil) {
			t.Fatalf("ended with %v, %v", r, err)
		}
		if out := h.Outgoing(); len(out) > 1024 {
			t.Fatalf("sent %d octets", len(out))
		}
	})
}
