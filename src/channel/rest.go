package channel

import (
	"slices"

	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/zmtp"
)

// each hands the messages of a stream that lasts which the peer has not acknowledged to a
// function, one after the other: the position of each, its frames and its octets as they
// are on the wire. The frames are the outbox's. All are handed on, or a run of the first.
func (s *stream) each(all bool, do func(at uint64, frames [][]byte, octets int)) {
	s.Unacknowledged(func(at uint64, b []byte) bool {
		var parser zmtp.Parser
		var found zmtp.Messages
		parser.MaxMessage, parser.MaxFrames = len(b), len(b)
		_ = parser.Parse(b, &found) // what it has is ours
		for i := range found.Len() {
			frames, octets := found.Message(i), 0
			for _, frame := range frames {
				octets += zmtp.FrameSize(len(frame))
			}
			do(at, frames, octets)
			at += uint64(octets)
		}
		return all
	})
}

// Rest returns how much content the peer has not acknowledged, in a stream that lasts.
func (s *stream) Rest() (what Amount) {
	s.each(true, func(at uint64, frames [][]byte, octets int) {
		if s.contentLocked(at, frames) {
			what.add(octets)
		}
	})
	return what
}

// contentLocked tells whether a message at a position is content.
func (s *stream) contentLocked(at uint64, frames [][]byte) bool {
	switch id, _ := zremsg.Peek(frames[0]); id {
	case zremsg.IDWhisper, zremsg.IDShout, zremsg.IDExchange:
		_, aside := slices.BinarySearch(s.asides, at)
		return !aside
	}
	return false
}
