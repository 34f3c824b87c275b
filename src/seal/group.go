package seal

import (
	"crypto/ed25519"
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
	group  string
	signer ed25519.PrivateKey
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
	var drawn [8 + chainSize + ed25519.SeedSize]byte
	if _, err := rand.Read(drawn[:]); err != nil {
		return fmt.Errorf("draw a group's key: %w", err)
	}
	g.begin(binary.BigEndian.Uint64(drawn[:]), [chainSize]byte(drawn[8:]), drawn[8+chainSize:])
	clear(drawn[:])
	return nil
}

func (g *GroupSender) begin(key uint64, state [chainSize]byte, seed []byte) {
	clear(g.signer)
	g.key, g.number, g.state = key, 0, state
	g.signer = ed25519.NewKeyFromSeed(seed)
}

// Key returns the key for a member: it opens what is sealed from now on.
func (g *GroupSender) Key() onceseal.Key {
	return onceseal.Key{
		Group: g.group, Key: g.key, Number: g.number,
		Chain: slices.Clone(g.state[:]), Signer: g.signer.Public().(ed25519.PublicKey),
	}
}

// Size returns how many octets content takes when it is sealed.
func (g *GroupSender) Size(content [][]byte) int {
	return new(onceseal.Group).Size() + sizeContent(content) + tag + ed25519.SignatureSize
}

// Append appends a GROUP with content, of exactly [GroupSender.Size], to b. What
// content may be, [Sender.Append] says.
func (g *GroupSender) Append(b []byte, content [][]byte) []byte {
	start := len(b)
	b = appendHead(slices.Grow(b, g.Size(content)), onceseal.IDGroup, g.key, g.number, sizeContent(content))
	from := len(b)
	additional := g.additional(b[start:])
	b = appendContent(b, content)
	var key [chainSize]byte
	g.next(&key)
	b = once(&key).Seal(b[:from], noNonce, b[from:], additional)
	clear(key[:])
	proof := ed25519.Sign(g.signer, g.signed(additional, b[from:]))
	b = binary.BigEndian.AppendUint32(b, ed25519.SignatureSize)
	return append(b, proof...)
}
