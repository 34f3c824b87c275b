package interop

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/wire"
	"github.com/zeromq/gyre/zre/msg"
)

// said is one message as both implementations hold it.
type said struct {
	name    string
	ours    zremsg.Message
	gyres   msg.Transit
	content [][]byte
}

// conversation has each message that gyre knows, plain and at its limits. Gyre
// puts headers in any order, so there is at most one where octets are compared.
func conversation() []said {
	long, content := strings.Repeat("n", 255), [][]byte{bytes.Repeat([]byte{0, 1, 0xFF}, 30000)}
	empty := [][]byte{{}}
	return []said{
		{"HELLO", &zremsg.Hello{Sequence: 1, Endpoint: "tcp://127.0.0.1:49152", Groups: []string{"CHAT", ""}, Status: 2, Name: "ann", Headers: []wire.Pair{{Key: "X-KEY", Value: strings.Repeat("v", 300)}}},
			&msg.Hello{Endpoint: "tcp://127.0.0.1:49152", Groups: []string{"CHAT", ""}, Status: 2, Name: "ann", Headers: map[string]string{"X-KEY": strings.Repeat("v", 300)}}, nil},
		{"HELLO of nobody", &zremsg.Hello{Sequence: 1}, &msg.Hello{}, nil},
		{"HELLO with long names", &zremsg.Hello{Sequence: 1, Endpoint: long, Groups: []string{long}, Status: 255, Name: long, Headers: []wire.Pair{{Key: long, Value: "v"}}},
			&msg.Hello{Endpoint: long, Groups: []string{long}, Status: 255, Name: long, Headers: map[string]string{long: "v"}}, nil},
		{"WHISPER", &zremsg.Whisper{Sequence: 2, Content: content}, &msg.Whisper{Content: content[0]}, content},
		{"WHISPER of nothing", &zremsg.Whisper{Sequence: 0xFFFF, Content: empty}, &msg.Whisper{Content: empty[0]}, empty},
		{"SHOUT", &zremsg.Shout{Sequence: 3, Group: "CHAT", Content: content}, &msg.Shout{Group: "CHAT", Content: content[0]}, content},
		{"JOIN", &zremsg.Join{Sequence: 4, Group: long, Status: 255}, &msg.Join{Group: long, Status: 255}, nil},
		{"LEAVE", &zremsg.Leave{Sequence: 5, Group: "CHAT"}, &msg.Leave{Group: "CHAT"}, nil},
		{"PING", &zremsg.Ping{Sequence: 0}, &msg.Ping{}, nil},
		{"PING-OK", &zremsg.PingOK{Sequence: 7}, &msg.PingOk{}, nil},
	}
}

// sequence returns the sequence of ours, which is not in Message.
func sequence(m zremsg.Message) uint16 {
	return uint16(reflect.ValueOf(m).Elem().FieldByName("Sequence").Uint())
}

func TestCodecAgainstGyre(t *testing.T) {
	for _, s := range conversation() {
		s.gyres.SetSequence(sequence(s.ours))
		s.gyres.SetVersion(zremsg.Version)
		ours, err := s.ours.AppendTo(nil)
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
			continue
		}
		gyres, err := s.gyres.Marshal()
		if err != nil || !bytes.Equal(ours, gyres) {
			t.Errorf("%s: we say\n%x, gyre\n%x, %v", s.name, ours, gyres, err)
		}

		understood, err := msg.Unmarshal(append([][]byte{ours}, s.content...)...)
		if err != nil || understood.String() != s.gyres.String() {
			t.Errorf("%s: gyre understands %v, %v", s.name, understood, err)
		}

		id, err := zremsg.Peek(gyres)
		if err != nil || id != s.ours.ID() {
			t.Errorf("%s: we take it for %v, %v", s.name, id, err)
			continue
		}
		heard := zremsg.New(id)
		err = heard.Decode(gyres, s.content)
		again, _ := heard.AppendTo(nil)
		if err != nil || !bytes.Equal(again, gyres) || sequence(heard) != sequence(s.ours) {
			t.Errorf("%s: we understand %+v, %v", s.name, heard, err)
		}
	}
}

// TestHeadersAgainstGyre has more than one header, in whatever order.
func TestHeadersAgainstGyre(t *testing.T) {
	headers := map[string]string{"X-A": "1", "X-B": "", "": "none", "X-Ü": "\x00\xff"}
	hello := &msg.Hello{Endpoint: "tcp://127.0.0.1:1", Headers: headers}
	frame, err := hello.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	var heard zremsg.Hello
	if err := heard.Decode(frame, nil); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, pair := range heard.Headers {
		got[pair.Key] = pair.Value
	}
	if !reflect.DeepEqual(got, headers) {
		t.Errorf("gyre's headers %q are %q to us", headers, got)
	}
	frame, err = heard.AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	back, err := msg.Unmarshal(frame)
	if err != nil || !reflect.DeepEqual(back.(*msg.Hello).Headers, headers) {
		t.Errorf("our headers %q are %v to gyre, %v", headers, back, err)
	}
}
