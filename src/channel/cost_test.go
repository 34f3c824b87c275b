//go:build !race

package channel

import (
	"testing"
	"testing/synctest"

	"github.com/sjohnr/at-once/src/seal"
)

// TestSpentSession replaces a session that has carried as much as it may.
func TestSpentSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, ben := alone(t)
		s.whispers(ben, "one")
		ben.wants("2 OPEN", "3 sealed whisper one")
		frame := [][]byte{nil}
		room := make([]byte, 0, seal.Size(frame))
		ben.path.Session(func(session *seal.Sender) {
			for range seal.MaxMessages - 2 {
				session.Append(room, frame)
			}
		})
		s.whispers(ben, "the last")
		s.whispers(ben, "the first")
		ben.wants("4 sealed whisper the last", "5 OPEN", "6 sealed whisper the first")
		ben.path.Session(func(session *seal.Sender) {
			for range seal.MaxMessages - 3 {
				session.Append(room, frame)
			}
		})
		s.shouts("room", "the last", 1)
		s.shouts("room", "the first", 1)
		ben.wants("7 KEY", "8 sealed shout room the last", "9 OPEN", "10 sealed shout room the first")
	})
}

// TestNoAllocations counts what a message costs that has reached all its receivers: nothing,
// but for what is sealed for a group.
func TestNoAllocations(t *testing.T) {
	for name, c := range map[string]struct {
		kind  kind
		shout bool
		most  float64
	}{
		"a plain whisper":        {plain, false, 0},
		"a sealed whisper":       {sealed, false, 0},
		"an encrypted whisper":   {encrypted, false, 0},
		"a plain shout":          {plain, true, 0},
		"a shout that is sealed": {sealed, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			say := eight(t, c.kind, c.shout)
			for range 100 {
				say()
			}
			if n := testing.AllocsPerRun(1000, say); n > c.most {
				t.Errorf("%v allocations, want %v", n, c.most)
			}
		})
	}
}
