package channel

import (
	"errors"
	"slices"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/seal"
)

// kept is what opens again, for who has said it, what was sealed and the peer has not
// acknowledged: the keys of shouts, by their positions, and sessions. A key is cleared as soon
// as the peer has acknowledged the shout: what was said before is as safe then as with a key
// that was used once.
type kept struct {
	keys   []keptKey
	from   int // what is before it was dropped
	former []former
}

type keptKey struct {
	at  uint64
	key seal.Key
}

// former is a session that another has taken the place of.
type former struct {
	*seal.Sender
	end uint64 // where what it has sealed ends
}

// keep keeps what opens a shout that begins at a position.
func (k *kept) keep(at uint64, key *seal.Key) { k.keys = append(k.keys, keptKey{at, *key}) }

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

// succeed keeps a session, which another takes the place of, for what it has sealed before an
// end, if the peer has acknowledged no more than what is before known.
func (k *kept) succeed(session *seal.Sender, end, known uint64) {
	k.former = slices.DeleteFunc(k.former, func(f former) bool { return f.end <= known })
	if end > known {
		k.former = append(k.former, former{session, end})
	}
}

// again returns the group that content was said to, and what was said, and whether that
// is a message of once_ask.
func (k *kept) again(session *seal.Sender, own uuid.UUID, at uint64, frames [][]byte) (group string, content [][]byte, exchange bool, err error) {
	id, _ := zremsg.Peek(frames[0])
	if id == zremsg.IDShout {
		var m zremsg.Shout
		if err := m.Decode(frames[0], frames[1:]); err != nil {
			return "", nil, false, err
		}
		content = m.Content
		if key := k.find(at); key != nil {
			content, err = seal.OpenGroup(own, m.Group, key, content[0], nil)
		}
		return m.Group, content, false, err
	}
	if session == nil || id == zremsg.IDExchange {
		return "", frames[1:], id == zremsg.IDExchange, nil
	}
	content, err = session.Open(frames[1], nil)
	for i := 0; errors.Is(err, seal.ErrKey) && i < len(k.former); i++ {
		session = k.former[i].Sender
		content, err = session.Open(frames[1], nil)
	}
	return "", content, session.Exchange(), err
}
