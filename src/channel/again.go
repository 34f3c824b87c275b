package channel

import (
	"bytes"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/onceask"
)

// Returns tells whether the peer has not acknowledged some content, of a path that lasts.
// Then that is to be taken back, or the path discarded. It is the loop's, and called when
// nothing is said over the path any more.
func (p *Path) Returns() bool {
	p.Locked(func() { p.returns = p.lasts && !p.allLocked() })
	if p.returns {
		p.Retire()
	}
	return p.returns
}

// TakeBack is Look for a run of the first of that content, which the path lets go of. It
// tells whether there is more.
func (p *Path) TakeBack(own uuid.UUID, do func(group string, content [][]byte)) (lost int, more bool) {
	end := uint64(0)
	lost = p.look(own, false, &end, do)
	_ = p.Acknowledge(end) // which is said
	p.Locked(func() {
		p.sealing.kept.drop(end)
		more = !p.allLocked()
	})
	if !more {
		p.Discard()
	}
	return lost, more
}

// Look hands content to a function that the peer has not acknowledged, of a path that lasts,
// in order: the group that it was said to, empty for a whisper, and its frames, which are
// the function's; of an answer those that the application has said. Questions are not: who has
// asked is told. Own is who has said it. What does not open is not handed on, and counted.
func (p *Path) Look(own uuid.UUID, do func(group string, content [][]byte)) (lost int) {
	return p.look(own, true, new(uint64), do)
}

func (p *Path) look(own uuid.UUID, all bool, end *uint64, do func(group string, content [][]byte)) (lost int) {
	p.each(all, func(at uint64, frames [][]byte, octets int) {
		*end = at + uint64(octets)
		if !p.contentLocked(at, frames) {
			return
		}
		copied := make([][]byte, len(frames))
		for i, frame := range frames {
			copied[i] = bytes.Clone(frame)
		}
		group, content, exchange, err := p.sealing.kept.again(p.sealing.session, own, at, copied)
		if exchange && err == nil {
			m, wrong := onceask.Parse(content[0], content[1:])
			if _, asks := m.(*onceask.Question); asks {
				return
			}
			content, err = content[1:], wrong
		}
		if err != nil {
			lost++
			return
		}
		do(group, content)
	})
	return lost
}
