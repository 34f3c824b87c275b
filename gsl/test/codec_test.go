package generator_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/sjohnr/at-once/gsl/test/tiny/go/tinymsg"
	"github.com/sjohnr/at-once/src/wire"
)

// every is a message with each type of field, and everyHex is its encoding,
// written down by hand from zproto's rules.
var every = tinymsg.Every{
	PeerID:   [16]byte{0: 0xA0, 15: 0xAF},
	Sequence: 0x01020304,
	Tiny:     0xFE, Small: 0xFEDC, Large: 0xFEDCBA98, Huge: 0xFEDCBA9876543210,
	Name:    "été",
	Text:    strings.Repeat("t", 300),
	List:    []string{"", "four"},
	Table:   []wire.Pair{{Key: "b", Value: "2"}, {Key: "a", Value: ""}},
	Blob:    []byte{0, 255},
	Key:     [16]byte{0: 0xB0, 15: 0xBF},
	Content: [][]byte{nil, {1}},
}

var everyHex = "aaaf" + "01" + "0102" + "a0" + strings.Repeat("00", 14) + "af" + "01020304" +
	"fe" + "fedc" + "fedcba98" + "fedcba9876543210" +
	"05c3a974c3a9" +
	"0000012c" + strings.Repeat("74", 300) +
	"00000002" + "00000000" + "00000004666f7572" +
	"00000002" + "0162" + "0000000132" + "0161" + "00000000" +
	"00000002" + "00ff" +
	"b0" + strings.Repeat("00", 14) + "bf"

func frame(t testing.TB) []byte {
	t.Helper()
	b, err := hex.DecodeString(everyHex)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEveryTypeOfField(t *testing.T) {
	b, err := every.AppendTo([]byte("before"))
	if err != nil || string(b[:6]) != "before" || hex.EncodeToString(b[6:]) != everyHex {
		t.Errorf("encoded as %x, %v", b, err)
	}
	if every.Size() != len(frame(t)) {
		t.Errorf("Size is %d, not %d", every.Size(), len(frame(t)))
	}
	var got tinymsg.Every
	if err := got.Decode(frame(t), every.Content); err != nil || !reflect.DeepEqual(got, every) {
		t.Errorf("decoded as %+v, %v", got, err)
	}
}

// The example of the model, which the generator encodes by rules of its own.
func TestExampleOfEveryType(t *testing.T) {
	text, err := os.ReadFile("tiny/vectors/tiny_msg.json")
	if err != nil {
		t.Fatal(err)
	}
	var examples []struct {
		Name   string
		Frames []string
	}
	if err := json.Unmarshal(text, &examples); err != nil || len(examples) != 3 || len(examples[0].Frames) != 3 {
		t.Fatalf("%d examples, %v", len(examples), err)
	}
	want := tinymsg.Every{
		PeerID:   [16]byte{0: 0xA0, 15: 0xAF},
		Sequence: 0x01020304,
		Tiny:     0xFE, Small: 0xFEDC, Large: 0xFEDCBA98, Huge: 1<<52 + 1,
		Name:    "été",
		Text:    "some text: with 100 % of it",
		List:    []string{"", "four"},
		Table:   []wire.Pair{{Key: "b", Value: "2"}, {Key: "a", Value: ""}},
		Blob:    []byte{0, 255},
		Key:     [16]byte(bytes.Repeat([]byte{0xB0}, 16)),
		Content: [][]byte{{}, {'1'}},
	}
	b, err := want.AppendTo(nil)
	if err != nil || hex.EncodeToString(b) != examples[0].Frames[0] {
		t.Errorf("EVERY is encoded as %x, %v", b, err)
	}
	for i, frame := range want.Content {
		if hex.EncodeToString(frame) != examples[0].Frames[1+i] {
			t.Errorf("frame %d is %s", i, examples[0].Frames[1+i])
		}
	}
}

// What once-model says of the tiny protocol holds for its codec.
func TestGoldenVectors(t *testing.T) {
	text, err := os.ReadFile("tiny/vectors/golden/tiny_msg.json")
	if err != nil {
		t.Fatal(err)
	}
	type vector struct {
		Name, Case, Error string
		Frames            []string
	}
	var golden struct{ Valid, Malformed []vector }
	if err := json.Unmarshal(text, &golden); err != nil || len(golden.Valid) < 6 || len(golden.Malformed) < 60 {
		t.Fatalf("%d and %d vectors, %v", len(golden.Valid), len(golden.Malformed), err)
	}
	for _, v := range append(golden.Valid, golden.Malformed...) {
		var frames [][]byte
		for _, text := range v.Frames {
			octets, err := hex.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			frames = append(frames, octets)
		}
		m := map[string]tinymsg.Message{"EVERY": &tinymsg.Every{}, "PARCEL": &tinymsg.Parcel{}, "HELLO": &tinymsg.Hello{}}[v.Name]
		err := m.Decode(frames[0], frames[1:])
		if v.Error != "" {
			if err == nil {
				t.Errorf("%s, %s: is taken", v.Name, v.Case)
			}
		} else if again, e := m.AppendTo(nil); err != nil || e != nil || !bytes.Equal(again, frames[0]) {
			t.Errorf("%s, %s: %v, %v", v.Name, v.Case, err, e)
		}
	}
}

func TestEveryPrefixFails(t *testing.T) {
	b := frame(t)
	for n := range b {
		if err := new(tinymsg.Every).Decode(b[:n], nil); !errors.Is(err, wire.ErrShort) {
			t.Errorf("first %d octets: %v", n, err)
		}
	}
}

func TestHeaderOffsets(t *testing.T) {
	b := frame(t)
	if b[tinymsg.VersionOffset] != tinymsg.Version>>8 || b[tinymsg.PeerIDOffset] != 0xA0 || b[tinymsg.SequenceOffset] != 1 {
		t.Errorf("offsets %d, %d, %d", tinymsg.VersionOffset, tinymsg.PeerIDOffset, tinymsg.SequenceOffset)
	}
	for n := range b {
		id, err := tinymsg.Peek(b[:n])
		if n < tinymsg.SequenceOffset+4 && !errors.Is(err, wire.ErrShort) {
			t.Errorf("Peek at %d octets: %v", n, err)
		} else if n >= tinymsg.SequenceOffset+4 && (err != nil || id != tinymsg.IDEvery) {
			t.Errorf("Peek at %d octets: %v, %v", n, id, err)
		}
	}
}

func TestEveryLimit(t *testing.T) {
	for _, test := range []struct {
		field     string
		got, want uint64
		change    func(*tinymsg.Every)
	}{
		{"name", 9, 8, func(m *tinymsg.Every) { m.Name = "123456789" }},
		{"text", 301, 300, func(m *tinymsg.Every) { m.Text += "t" }},
		{"list", 4, 3, func(m *tinymsg.Every) { m.List = make([]string, 4) }},
		{"list", 5, 4, func(m *tinymsg.Every) { m.List[1] = "fives" }},
		{"list", 10, 9, func(m *tinymsg.Every) { m.List = []string{"four", "four", "22"} }},
		{"table", 4, 3, func(m *tinymsg.Every) { m.Table = make([]wire.Pair, 4) }},
		{"table", 5, 4, func(m *tinymsg.Every) { m.Table[1].Value = "fives" }},
		{"table", 21, 20, func(m *tinymsg.Every) { m.Table[0].Key = strings.Repeat("k", 19) }},
		{"blob", 6, 5, func(m *tinymsg.Every) { m.Blob = make([]byte, 6) }},
		{"content", 3, 2, func(m *tinymsg.Every) { m.Content = make([][]byte, 3) }},
	} {
		m := every
		m.List, m.Table = append([]string{}, every.List...), append([]wire.Pair{}, every.Table...)
		test.change(&m)
		b, err := m.AppendTo([]byte("before"))
		want := wire.Error{Message: "EVERY", Field: test.field, Err: wire.ErrLimit, Got: test.got, Want: test.want}
		var fault *wire.Error
		if !errors.As(err, &fault) || *fault != want {
			t.Errorf("%s: %v", test.field, err)
		}
		if string(b) != "before" {
			t.Errorf("%s: the buffer is %q", test.field, b)
		}
	}
}

func TestDecodingAgainAllocatesNothing(t *testing.T) {
	b, m := frame(t), every
	if allocs := testing.AllocsPerRun(100, func() {
		if err := m.Decode(b, every.Content); err != nil {
			t.Fatal(err)
		}
	}); allocs > 1 { // the keys of the table are not sorted, which takes a map
		t.Errorf("%v allocations", allocs)
	}
}

// A value keeps nothing of what it held before.
func TestDecodingOverAnotherMessage(t *testing.T) {
	m := tinymsg.Every{
		Name: "other", Text: "other", List: []string{"x", "y", "z"},
		Table: []wire.Pair{{Key: "x", Value: "y"}}, Blob: []byte("other"), Content: [][]byte{{9}},
	}
	if err := m.Decode(frame(t), every.Content); err != nil || !reflect.DeepEqual(m, every) {
		t.Errorf("decoded as %+v, %v", m, err)
	}
}

// A field that is borrowed is a part of the frame, and has no room for more. One that is
// fixed has no other size.
func TestBorrowedField(t *testing.T) {
	b, err := (&tinymsg.Parcel{Load: []byte("loads")}).AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	m := tinymsg.Parcel{Load: []byte("other")}
	if err := m.Decode(b, nil); err != nil || string(m.Load) != "loads" || cap(m.Load) != 5 || &m.Load[4] != &b[len(b)-1] {
		t.Errorf("decoded as %q of %d octets, %v", m.Load, cap(m.Load), err)
	}
	for n := range b {
		if err := m.Decode(b[:n], nil); !errors.Is(err, wire.ErrShort) {
			t.Errorf("first %d octets: %v", n, err)
		}
	}
	b[len(b)-6] = 4
	if err := m.Decode(b[:len(b)-1], nil); !errors.Is(err, wire.ErrSize) {
		t.Errorf("an octet less: %v", err)
	}
	b[len(b)-6] = 6
	if err := m.Decode(append(b, 0, 0), nil); !errors.Is(err, wire.ErrLimit) {
		t.Errorf("over the limit: %v", err)
	}
}

func FuzzEvery(f *testing.F) {
	f.Add(frame(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		id, err := tinymsg.Peek(b)
		if err != nil {
			return
		}
		m := tinymsg.New(id)
		if m.Decode(b, nil) != nil {
			return
		}
		again, err := m.AppendTo(nil)
		if err != nil || !bytes.Equal(b, again) || m.Size() != len(b) {
			t.Errorf("%x is %+v, which is %x (size %d), %v", b, m, again, m.Size(), err)
		}
	})
}
