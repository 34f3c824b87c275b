package gossip

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/sjohnr/at-once/generated/go/zgossipmsg"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/wire"
)

// vectors returns the messages of CZMQ's codec and what they hold, by name.
func vectors(t testing.TB) (messages map[string]zgossipmsg.Message, frames map[string][]byte) {
	t.Helper()
	file, err := os.ReadFile("testdata/zgossip_msg.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []struct {
		Name   string
		Fields json.RawMessage
		Frames []string
	}
	if err := json.Unmarshal(file, &list); err != nil {
		t.Fatal(err)
	}
	messages, frames = map[string]zgossipmsg.Message{}, map[string][]byte{}
	for _, v := range list {
		frame, err := hex.DecodeString(v.Frames[0])
		if err != nil {
			t.Fatal(err)
		}
		id, err := zgossipmsg.Peek(frame)
		if err != nil {
			t.Fatal(err)
		}
		m := zgossipmsg.New(id)
		if err := json.Unmarshal(v.Fields, m); err != nil {
			t.Fatal(err)
		}
		messages[v.Name], frames[v.Name] = m, frame
	}
	return messages, frames
}

func TestVectors(t *testing.T) {
	messages, frames := vectors(t)
	for name, m := range messages {
		if frame, err := m.AppendTo(nil); err != nil || !bytes.Equal(frame, frames[name]) {
			t.Errorf("%s: encoded as %x, %v\nwant %x", name, frame, err, frames[name])
		}
		got := zgossipmsg.New(m.ID())
		if err := got.Decode(frames[name], nil); err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%s: decoded as %+v, %v\nwant %+v", name, got, err, m)
		}
		for n := range frames[name] {
			if err := zgossipmsg.New(m.ID()).Decode(frames[name][:n], nil); !errors.Is(err, wire.ErrShort) {
				t.Errorf("%s: first %d octets: %v", name, n, err)
			}
		}
		delete(frames, name)
	}
	if len(messages) != 5 || len(frames) != 0 {
		t.Errorf("%d messages have vectors, want 5", len(messages))
	}
}

// FuzzValue: whatever a value is, one of our nodes gets from another what that
// has; and what a node says of itself is understood, with no other key than it has.
func FuzzValue(f *testing.F) {
	for _, text := range []string{"", "|", "tcp://10.0.0.7:1", "tcp://10.0.0.7:1|key|9", "tcp://10.0.0.7:1|" + strings.Repeat("a", 40) + "|9", "|1", "a|18446744073709551616"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, ours := range []bool{false, true} {
			value, version, ok := parse(text, ours)
			if !ok {
				continue
			}
			again := &tuple{key: keyOf(7), value: value, version: version}
			v, n, ok := parse(again.text(true), true)
			if v != value || n != version || !ok {
				t.Errorf("%q is (%q, %d), then (%q, %d), %v", text, value, version, v, n, ok)
			}
			g := &Gossip{}
			if s, err := again.sighting(); err == nil {
				g.node.Reached = func(net.Addr) sight.Endpoint { return s.Endpoint }
				if got := g.valueLocked(nil); got != value && s.Endpoint != (sight.Endpoint{}) {
					t.Errorf("%q is sighted as %+v", value, s)
				}
			}
		}
	})
}
