package wire_test

import (
	"bytes"
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/wire"
)

func TestHeaderFaults(t *testing.T) {
	for _, test := range []struct {
		name, frame string
		want        error
		peek        error
	}{
		{"nothing", "", wire.ErrShort, wire.ErrShort},
		{"signature of another family", "aab106020005", wire.ErrSignature, wire.ErrSignature},
		{"signature of another protocol", "aaa006020005", wire.ErrSignature, wire.ErrSignature},
		{"id of another message", "aaa107020005", wire.ErrID, nil},
		{"id 0", "aaa100020005", wire.ErrID, wire.ErrID},
		{"id after the last", "aaa115020005", wire.ErrID, wire.ErrID},
		{"highest id", "aaa1ff020005", wire.ErrID, wire.ErrID},
		{"version 1", "aaa106010005", wire.ErrConstant, wire.ErrConstant},
		{"version 3", "aaa106030005", wire.ErrConstant, wire.ErrConstant},
		{"half a sequence", "aaa1060200", wire.ErrShort, wire.ErrShort},
	} {
		frame := octets(t, []string{test.frame})[0]
		if err := new(zremsg.Ping).Decode(frame, nil); !errors.Is(err, test.want) {
			t.Errorf("%s: Decode: %v, want %v", test.name, err, test.want)
		}
		if _, err := zremsg.Peek(frame); !errors.Is(err, test.peek) {
			t.Errorf("%s: Peek: %v, want %v", test.name, err, test.peek)
		}
	}
}

func TestOffsets(t *testing.T) {
	frame, err := (&zremsg.Ping{Sequence: 0x1234}).AppendTo(nil)
	must(t, err)
	if !bytes.Equal(frame[zremsg.SequenceOffset:], []byte{0x12, 0x34}) || frame[zremsg.VersionOffset] != zremsg.Version {
		t.Errorf("offsets %d and %d do not fit %x", zremsg.VersionOffset, zremsg.SequenceOffset, frame)
	}
}

// Limits of the model: one less or equal passes both ways, one more fails, and
// the buffer stays as it was.
func TestLimits(t *testing.T) {
	text := func(n int) string { return strings.Repeat("x", n) }
	texts := func(count, n int) []string { return slices.Repeat([]string{text(n)}, count) }
	entries := func(n int) (pairs []wire.Pair) {
		for i := range n {
			pairs = append(pairs, wire.Pair{Key: text(1) + string(rune('0'+i/64)) + string(rune('0'+i%64))})
		}
		return pairs
	}
	for _, test := range []struct {
		field        string
		got, want    uint64
		fits, bursts zremsg.Message
	}{
		{"endpoint", 256, 255, &zremsg.Hello{Endpoint: text(255)}, &zremsg.Hello{Endpoint: text(256)}},
		{"groups", 4097, 4096, &zremsg.Hello{Groups: make([]string, 4096)}, &zremsg.Hello{Groups: make([]string, 4097)}},
		{"groups", 256, 255, &zremsg.Hello{Groups: []string{text(255)}}, &zremsg.Hello{Groups: []string{text(256)}}},
		{"headers", 257, 256, &zremsg.Hello{Headers: entries(256)}, &zremsg.Hello{Headers: entries(257)}},
		{"headers", 256, 255, &zremsg.Hello{Headers: []wire.Pair{{Key: text(255)}}}, &zremsg.Hello{Headers: []wire.Pair{{Key: text(256)}}}},
		{"headers", 65537, 65536, &zremsg.Hello{Headers: []wire.Pair{{Value: text(65536)}}}, &zremsg.Hello{Headers: []wire.Pair{{Value: text(65537)}}}},
		{"groups", 262145, 262144, &zremsg.Hello{Groups: texts(4096, 64)}, &zremsg.Hello{Groups: append(texts(4095, 64), text(65))}},
		{"headers", 73729, 73728, &zremsg.Hello{Headers: []wire.Pair{{Value: text(65536)}, {Key: "key", Value: text(8189)}}}, &zremsg.Hello{Headers: []wire.Pair{{Value: text(65536)}, {Key: "keys", Value: text(8189)}}}},
		{"content", zremsg.MaxWhisperContent + 1, zremsg.MaxWhisperContent, &zremsg.Whisper{Content: make([][]byte, zremsg.MaxWhisperContent)}, &zremsg.Whisper{Content: make([][]byte, zremsg.MaxWhisperContent+1)}},
		{"challenger id", 33, 32, &zremsg.Elect{ChallengerID: text(32)}, &zremsg.Elect{ChallengerID: text(33)}},
	} {
		frame, err := test.fits.AppendTo(nil)
		must(t, err)
		var content [][]byte
		if w, ok := test.fits.(*zremsg.Whisper); ok {
			content = w.Content
		}
		if err := zremsg.New(test.fits.ID()).Decode(frame, content); err != nil {
			t.Errorf("%s at its limit: %v", test.field, err)
		}
		before := []byte("before")
		after, err := test.bursts.AppendTo(before)
		var fault *wire.Error
		if !errors.As(err, &fault) || !errors.Is(err, wire.ErrLimit) ||
			fault.Field != test.field || fault.Got != test.got || fault.Want != test.want {
			t.Errorf("%s over its limit: %v", test.field, err)
		}
		if string(after) != "before" {
			t.Errorf("%s over its limit: the buffer is %q", test.field, after)
		}
	}
}

// TestLargest has a HELLO that is at each of its limits: it has as many octets as the
// model says.
func TestLargest(t *testing.T) {
	hello := zremsg.Hello{
		Endpoint: strings.Repeat("e", 255), Name: strings.Repeat("n", 255),
		Groups: slices.Repeat([]string{strings.Repeat("g", 64)}, 4096),
	}
	for i := range 256 {
		hello.Headers = append(hello.Headers, wire.Pair{Key: string(rune(i)), Value: strings.Repeat("v", 288-len(string(rune(i))))})
	}
	frame, err := hello.AppendTo(nil)
	must(t, err)
	if len(frame) != zremsg.MaxHello {
		t.Errorf("%d octets, the model says %d", len(frame), zremsg.MaxHello)
	}
	must(t, new(zremsg.Hello).Decode(frame, nil))
}

// Lists whose entries are within their limits, but not together.
func TestSums(t *testing.T) {
	text := strings.Repeat("x", 255)
	frame := func(groups []string, headers []wire.Pair) []byte {
		w := wire.NewWriter("HELLO", nil)
		w.Header(zremsg.Signature, uint8(zremsg.IDHello))
		w.Uint8(zremsg.Version)
		w.Uint16(1)
		w.String("endpoint", "", 255)
		w.Strings("groups", groups, 4096, 255, math.MaxInt)
		w.Uint8(0)
		w.String("name", "", 255)
		w.Pairs("headers", headers, 256, 65536, math.MaxInt)
		b, err := w.End()
		must(t, err)
		return b
	}
	for field, b := range map[string][]byte{
		"groups":  frame(slices.Repeat([]string{text}, 4096), nil),
		"headers": frame(nil, []wire.Pair{{Key: "a", Value: strings.Repeat(text, 256)}, {Key: "b", Value: strings.Repeat(text, 256)}}),
	} {
		var fault *wire.Error
		var err error
		octets := allocated(func() { err = new(zremsg.Hello).Decode(b, nil) })
		if !errors.As(err, &fault) || !errors.Is(err, wire.ErrLimit) || fault.Field != field {
			t.Errorf("%s: %v", field, err)
		}
		if octets > zremsg.MaxHello+4096*16+1024 {
			t.Errorf("%s: allocates %d octets", field, octets)
		}
	}
}

func TestTooManyFrames(t *testing.T) {
	frame, err := new(zremsg.Whisper).AppendTo(nil)
	must(t, err)
	if err := new(zremsg.Whisper).Decode(frame, make([][]byte, zremsg.MaxWhisperContent+1)); !errors.Is(err, wire.ErrLimit) {
		t.Errorf("a frame too many: %v", err)
	}
}

// allocated returns how many octets f allocates: the least of a few tries, as what the
// rest of the process allocates meanwhile is counted too.
func allocated(f func()) uint64 {
	least := uint64(math.MaxUint64)
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

// Claims of the wire that cost nothing, however large.
func TestClaims(t *testing.T) {
	const start = "aaa1010200010000" // HELLO 1, no endpoint, then the count of groups without its first octet
	for _, test := range []struct {
		name, frame, field string
		want               error
	}{
		{"4 GiB of groups", "aaa10102000100ffffffff", "groups", wire.ErrLimit},
		{"more groups than octets left", "aaa1010200010000001000" + "00000000", "groups", wire.ErrShort},
		{"a group of 4 GiB", start + "000001ffffffff", "groups", wire.ErrLimit},
		{"a group longer than the frame", start + "0000010000000478", "groups", wire.ErrShort},
		{"4 GiB of headers", start + "0000000000ffffffff", "headers", wire.ErrLimit},
		{"more headers than octets left", start + "000000000000000010" + "0000000000", "headers", wire.ErrShort},
		{"a header value of 4 GiB", start + "00000000000000000101" + "78ffffffff", "headers", wire.ErrLimit},
		{"a header given twice", start + "000000000000000002" + "017800000000" + "017800000000", "headers", wire.ErrDuplicate},
		{"a header given again, unsorted", start + "000000000000000003" + "017900000000" + "017800000000" + "017900000000", "headers", wire.ErrDuplicate},
	} {
		frame := octets(t, []string{test.frame})[0]
		var fault *wire.Error
		err := new(zremsg.Hello).Decode(frame, nil)
		if !errors.As(err, &fault) || !errors.Is(err, test.want) || fault.Field != test.field {
			t.Errorf("%s: %v, want %v in %s", test.name, err, test.want, test.field)
		}
		if octets := allocated(func() { err = new(zremsg.Hello).Decode(frame, nil) }); octets > 4096 {
			t.Errorf("%s: allocates %d octets", test.name, octets)
		}
	}
}

// Between them, peers send the same fields over and over.
func TestNothingIsAllocatedTwice(t *testing.T) {
	for _, v := range vectors(t) {
		m := zremsg.New(v.message.ID())
		buffer := make([]byte, 0, m.Size()+2048)
		if allocs := testing.AllocsPerRun(100, func() {
			if err := m.Decode(v.frames[0], v.frames[1:]); err != nil {
				t.Fatal(err)
			}
			if _, err := m.AppendTo(buffer); err != nil {
				t.Fatal(err)
			}
			if _, err := zremsg.Peek(v.frames[0]); err != nil {
				t.Fatal(err)
			}
		}); allocs != 0 {
			t.Errorf("%s: %v allocations", v.name, allocs)
		}
	}
}

// FuzzDecode: what decodes is encoded again octet for octet, and has the size
// that it says.
func FuzzDecode(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.frames[0], len(v.frames)-1)
	}
	f.Fuzz(func(t *testing.T, frame []byte, frames int) {
		id, err := zremsg.Peek(frame)
		if err != nil {
			return
		}
		m := zremsg.New(id)
		content := make([][]byte, min(max(frames, 0), 2048))
		if m.Decode(frame, content) != nil {
			return
		}
		again, err := m.AppendTo(nil)
		if err != nil || !bytes.Equal(frame, again) || m.Size() != len(frame) {
			t.Errorf("%x is %+v, which is %x (size %d), %v", frame, m, again, m.Size(), err)
		}
	})
}

func TestPairs(t *testing.T) {
	pairs := wire.Pairs(map[string]string{"b": "2", "a": "1", "": "0"})
	if !slices.Equal(pairs, []wire.Pair{{Key: "", Value: "0"}, {Key: "a", Value: "1"}, {Key: "b", Value: "2"}}) {
		t.Errorf("Pairs: %v", pairs)
	}
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	for _, test := range []struct {
		err  wire.Error
		want string
	}{
		{wire.Error{Message: "HELLO", Field: "name", Err: wire.ErrShort, Got: 1, Want: 2}, "HELLO.name: frame ends too early: 1 octets left, at least 2 needed"},
		{wire.Error{Message: "HELLO", Field: "name", Err: wire.ErrLimit, Got: 256, Want: 255}, "HELLO.name: over the limit: 256, at most 255 allowed"},
		{wire.Error{Message: "HELLO", Err: wire.ErrTrailing, Got: 3}, "HELLO: something follows the end of the message: 3 octets or frames"},
		{wire.Error{Message: "HELLO", Field: "headers", Err: wire.ErrDuplicate, Got: 3}, "HELLO.headers: key given twice: entry 3"},
		{wire.Error{Message: "HELLO", Field: "id", Err: wire.ErrID, Got: 3}, "HELLO.id: wrong message id: 3"},
		{wire.Error{Message: "HELLO", Field: "signature", Err: wire.ErrSignature, Got: 0xAAA0, Want: 0xAAA1}, "HELLO.signature: wrong signature: 0xaaa0, expected 0xaaa1"},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("%s\nwant %s", got, test.want)
		}
	}
}

func benchmark(b *testing.B, m zremsg.Message, content [][]byte) {
	frame, err := m.AppendTo(nil)
	must(b, err)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			frame, err = m.AppendTo(frame[:0])
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			err = m.Decode(frame, content)
		}
	})
	must(b, err)
}

func BenchmarkWhisper(b *testing.B) {
	content := [][]byte{make([]byte, 64)}
	benchmark(b, &zremsg.Whisper{Sequence: 2, Content: content}, content)
}

func BenchmarkShout(b *testing.B) {
	content := [][]byte{make([]byte, 64)}
	benchmark(b, &zremsg.Shout{Sequence: 2, Group: "ROOM", Content: content}, content)
}
