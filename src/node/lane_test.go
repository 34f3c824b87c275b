package node

import (
	"testing"

	"github.com/sjohnr/at-once/generated/go/oncelink"
	"github.com/sjohnr/at-once/generated/go/zremsg"
)

// TestOwns tells what is of a link from what is of its channel. Content, of which there is
// much, costs no memory.
func TestOwns(t *testing.T) {
	encoded := func(m interface {
		Size() int
		AppendTo([]byte) ([]byte, error)
	}) [][]byte {
		b, err := m.AppendTo(nil)
		if err != nil {
			t.Fatal(err)
		}
		return [][]byte{b, []byte("content")}
	}
	ack, whisper := encoded(&oncelink.Ack{Mac: unproved[:]}), encoded(&zremsg.Whisper{Sequence: 1})
	var l *lane
	for _, c := range []struct {
		frames [][]byte
		want   bool
	}{{ack, true}, {whisper, false}, {[][]byte{ack[0][:2]}, false}, {[][]byte{ack[0][:1]}, false}, {[][]byte{nil}, false}} {
		if got := l.owns(c.frames); got != c.want {
			t.Errorf("%x: %v", c.frames[0], got)
		}
	}
	if allocs := testing.AllocsPerRun(100, func() { l.owns(whisper) }); allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
}
