package channel

import (
	"bytes"
	"errors"
	"slices"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/onceask"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/seal"
)

// former is a session that another has taken the place of.
type former struct {
	*seal.Sender
	end uint64 // where what it has sealed ends
}

// kept is what opens shouts again for who has said them, by their positions. It is cleared
// as soon as the peer has acknowledged them: what was said before is as safe then as with
// a key that was used once.
type kept struct {
	keys []keptKey
	from int // what is before it was dropped
}

type keptKey struct {
	at  uint64
	key seal.Key
}

// drop drops what is for positions before one.
func (k *kept) drop(known uint64) {
	for ; k.from < len(k.keys) && k.keys[k.from].at < known; k.from++ {
		clear(k.keys[k.from].key[:])
	}
	if k.from > len(k.keys)/2 {
		k.keys = slices.Delete(k.keys, 0, k.from)
		k.from = 0
	}
}

// find returns the key for a position, or nil.
func (k *kept) find(at uint64) *seal.Key {
	i, found := slices.BinarySearchFunc(k.keys[k.from:], at, func(one keptKey, at uint64) int {
		switch {
		case one.at < at:
			return -1
		case one.at > at:
			return 1
		}
		return 0
	})
	if !found {
		return nil
	}
	return &k.keys[k.from+i].key
}

// keepLocked keeps what opens a shout again that begins at a position, if it may come back.
func (p *Path) keepLocked(at uint64, key *seal.Key) {
	if p.lasts {
		p.kept.keys = append(p.kept.keys, keptKey{at, *key})
	}
}

// succeedLocked has another session seal from now on.
func (p *Path) succeedLocked(session *seal.Sender) {
	s, known := &p.sealing, p.KnownLocked()
	s.former = slices.DeleteFunc(s.former, func(f former) bool { return f.end <= known })
	if p.lasts && s.session != nil && p.contentEnd > known {
		s.former = append(s.former, former{s.session, p.contentEnd})
	}
	s.session = session
}

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
		p.kept.drop(end)
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
		group, content, exchange, err := p.againLocked(own, at, copied)
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

// againLocked returns the group that content was said to, and what was said, and whether that
// is a message of once_ask.
func (p *Path) againLocked(own uuid.UUID, at uint64, frames [][]byte) (group string, content [][]byte, exchange bool, err error) {
	id, _ := zremsg.Peek(frames[0])
	if id == zremsg.IDShout {
		var m zremsg.Shout
		if err := m.Decode(frames[0], frames[1:]); err != nil {
			return "", nil, false, err
		}
		content = m.Content
		if key := p.kept.find(at); key != nil {
			content, err = seal.OpenGroup(own, m.Group, key, content[0], nil)
		}
		return m.Group, content, false, err
	}
	session := p.sealing.session
	if session == nil || id == zremsg.IDExchange {
		return "", frames[1:], id == zremsg.IDExchange, nil
	}
	content, err = session.Open(frames[1], nil)
	for i := 0; errors.Is(err, seal.ErrKey) && i < len(p.sealing.former); i++ {
		session = p.sealing.former[i].Sender
		content, err = session.Open(frames[1], nil)
	}
	return "", content, session.Exchange(), err
}
