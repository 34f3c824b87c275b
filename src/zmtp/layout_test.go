package zmtp

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	machine "github.com/sjohnr/at-once/generated/go/handshakemachine"
)

// layout is what the model api/layout/zmtp.xml prints for readers and tests.
type layout struct {
	Numbers map[string]int
	Records []struct{ Name, Octets string }
}

func readLayout(t *testing.T) (l layout) {
	t.Helper()
	text, err := os.ReadFile("../../generated/vectors/zmtp.json")
	if err == nil {
		err = json.Unmarshal(text, &l)
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// record returns the example of a record.
func (l layout) record(t *testing.T, name string) []byte {
	t.Helper()
	for _, r := range l.Records {
		if b, err := hex.DecodeString(r.Octets); r.Name == name && err == nil {
			return b
		}
	}
	t.Fatalf("the layout has no %s", name)
	return nil
}

var exampleID = []byte{1, 0x3f, 0x25, 4, 0xe0, 0x4f, 0x89, 0x41, 0xd3, 0x9a, 0x0c, 3, 5, 0xe8, 0x2c, 0x33, 1}

// What the document shows is what this package writes and reads.
func TestExamplesOfTheDocument(t *testing.T) {
	l := readLayout(t)
	h := NewHandshake(Metadata{Type: Dealer, Identity: exampleID})
	feed(h, l.record(t, "GREETING"))
	if out, want := h.Outgoing(), append(l.record(t, "GREETING"), l.record(t, "READY")...); !bytes.Equal(out, want) {
		t.Errorf("sent %x, want %x", out, want)
	}
	h = NewHandshake(ourselves)
	if left := feed(h, append(l.record(t, "GREETING"), l.record(t, "READY")...)); len(left) > 0 {
		t.Errorf("left %x", left)
	}
	if r, err := h.Result(); err != nil || r.Remote.Type != Dealer || !bytes.Equal(r.Remote.Identity, exampleID) {
		t.Errorf("got %+v, %v", r, err)
	}
	m, err := parseAll(append(l.record(t, "FRAME"), l.record(t, "LONG-FRAME")...))
	if err != nil || m.Len() != 1 || len(m.Message(0)) != 2 || hex.EncodeToString(m.Message(0)[0]) != "aaa102020002" || len(m.Message(0)[1]) != 300 {
		t.Errorf("the frames are parsed as %d messages, %v", m.Len(), err)
	}
	for name, data := range map[string][]byte{
		Ping: {0, 150, 0xc0, 0xde}, Pong: {0xc0, 0xde}, Error: ErrorData("stranger"),
	} {
		if b := AppendCommand(nil, name, data); !bytes.Equal(b, l.record(t, name)) {
			t.Errorf("%s is encoded as %x", name, b)
		}
	}
	if ttl, context, err := ParsePing(l.record(t, Ping)[7:]); ttl != 15*time.Second || string(context) != "\xc0\xde" || err != nil {
		t.Errorf("PING says %v, %x, %v", ttl, context, err)
	}
}

// The examples of CURVE are the vectors that TestCurveVectors holds our handshake to.
func TestExamplesOfCurve(t *testing.T) {
	text, err := os.ReadFile("testdata/zmtp_curve.json")
	var vectors []struct{ Name, Bytes string }
	if err == nil {
		err = json.Unmarshal(text, &vectors)
	}
	if err != nil {
		t.Fatal(err)
	}
	l := readLayout(t)
	for _, name := range []string{"HELLO", "WELCOME", "INITIATE", "READY"} {
		at := slices.IndexFunc(vectors, func(v struct{ Name, Bytes string }) bool { return strings.HasPrefix(v.Name, name) })
		if at < 0 || vectors[at].Bytes != hex.EncodeToString(l.record(t, "CURVE-"+name)) {
			t.Errorf("%s of the document is not that of the vectors", name)
		}
	}
}

func TestNumbersOfTheDocument(t *testing.T) {
	for name, want := range map[string]int{
		"handshake":  int(machine.DefaultHandshake / time.Millisecond),
		"command":    MaxCommand,
		"properties": maxProperties,
		"context":    MaxContext,
	} {
		if got := readLayout(t).Numbers[name]; got != want {
			t.Errorf("%s is %d, and %d here", name, got, want)
		}
	}
}
