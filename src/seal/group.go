package seal

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/onceseal"
)

// GroupSender seals what a node says to a group.
type GroupSender struct {
	chain
	group string
}

// NewGroup returns what seals for a group, with a key that nobody has yet.
func NewGroup(own uuid.UUID, group string) (*GroupSender, error) {
	if len(group) > onceseal.MaxKeyGroup {
		return nil, fmt.Errorf("seal for a group: %w: its name has %d octets", ErrMalformed, len(group))
	}
	g := &GroupSender{chain: newChain(own, group), group: group}
	return g, g.Redraw()
}

// Redraw replaces the key by another that nobody has yet: a member has gone.
func (g *GroupSender) Redraw() error {
	var drawn [8 + chainSize]byte
	if _, err := rand.Read(drawn[:]); err != nil {
		return fmt.Errorf("draw a group's key: %w", err)
	}
	g.begin(binary.BigEndian.Uint64(drawn[:]), [chainSize]byte(drawn[8:]))
	clear(drawn[:])
	return nil
}

func (g *GroupSender) begin(key uint64, state [chainSize]byte) {
	g.key, g.number, g.state = key, 0, state
}

// Key returns the key for a member: it opens what is sealed from now on. Its chain is
// the sender's own, which moves on with the next message.
func (g *GroupSender) Key() onceseal.Key {
	return onceseal.Key{Group: g.group, Key: g.key, Number: g.number, Chain: g.state[:]}
}

// Append appends a GROUP with content, of exactly [Size], to b. What content may be,
// [Sender.Append] says. Who gets it needs a PROOF of it too, with the digest that this
// returns until the next call; see [Sender.AppendProof].
func (g *GroupSender) Append(b []byte, content [][]byte) (sealed, digest []byte) {
	start, size := len(b), sizeContent(content)
	b = appendHead(slices.Grow(b, headSize+size+tag), onceseal.IDGroup, g.key, g.number, size)
	from := len(b)
	additional := g.additional(b[start:])
	b = appendContent(b, content)
	var key [chainSize]byte
	g.next(&key)
	b = once(&key).Seal(b[:from], noNonce, b[from:], additional)
	clear(key[:])
	return b, g.proof(b[start:])
}
