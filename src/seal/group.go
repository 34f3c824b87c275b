package seal

import (
	"cmp"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"slices"

	"github.com/google/uuid"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/sjohnr/at-once/generated/go/onceseal"
)

// chainSize is how many octets the state of a chain and the key of a message have.
const chainSize = 32

// chain is what both ends know of one KEY.
type chain struct {
	key    uint64
	number uint64 // of the message that the state is for
	state  [chainSize]byte
	bound  []byte // sender's id and group's name, with room for the head of a message
	hash   hash.Hash
	digest [sha256.Size]byte // of the latest message
}

func newChain(from uuid.UUID, group string) chain {
	bound := slices.Concat(from[:], []byte{byte(len(group))}, []byte(group))
	return chain{bound: slices.Grow(bound, headSize), hash: sha256.New()}
}

// next gives the key of the next message, and moves the chain over it.
func (c *chain) next(key *[chainSize]byte) {
	*key = c.mac(1)
	c.state = c.mac(2)
	c.number++
}

// mac is HMAC-SHA256 (RFC 2104) of an octet with the state as key. Package crypto/hmac
// would allocate for each message.
func (c *chain) mac(octet byte) [sha256.Size]byte {
	var inner [sha256.BlockSize + 1]byte
	var outer [sha256.BlockSize + sha256.Size]byte
	copy(inner[:], c.state[:])
	copy(outer[:], c.state[:])
	for i := range sha256.BlockSize {
		inner[i] ^= 0x36
		outer[i] ^= 0x5C
	}
	inner[sha256.BlockSize] = octet
	digest := sha256.Sum256(inner[:])
	copy(outer[sha256.BlockSize:], digest[:])
	return sha256.Sum256(outer[:])
}

// additional returns the additional data of a message with that head, until the
// next call.
func (c *chain) additional(head []byte) []byte { return append(c.bound, head...) }

// proof returns the digest in the PROOF of a message, until the next call.
func (c *chain) proof(frame []byte) []byte {
	c.hash.Reset()
	c.hash.Write(c.bound)
	c.hash.Write(frame)
	return c.hash.Sum(c.digest[:0])
}

// noNonce is for keys that are used once.
var noNonce = make([]byte, chacha20poly1305.NonceSize)

// once returns the cipher of a message.
func once(key *[chainSize]byte) cipher.AEAD {
	aead, err := chacha20poly1305.New(key[:])
	if err != nil {
		panic(err) // only for keys of another size
	}
	return aead
}

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
	g.Redraw()
	return g, nil
}

// Redraw replaces the key by another that nobody has yet: a member has gone.
func (g *GroupSender) Redraw() {
	var key [8]byte
	rand.Read(key[:])
	rand.Read(g.state[:])
	g.key, g.number = binary.BigEndian.Uint64(key[:]), 0
}

// Key returns the key for a member: it opens what is sealed from now on. Its chain is
// the sender's own, which moves on with the next message.
func (g *GroupSender) Key() onceseal.Key {
	return onceseal.Key{Group: g.group, Key: g.key, Number: g.number, Chain: g.state[:]}
}

// Append appends a GROUP with content, of exactly [Size], to b. What content may be,
// [Sender.Append] says. Who gets it needs a PROOF of it too, with the digest that this
// returns until the next call; see [Sender.AppendProof]. The key opens the GROUP again for
// its sender, see [OpenGroup]: who keeps it has to clear it.
func (g *GroupSender) Append(b []byte, content [][]byte, key *Key) (sealed, digest []byte) {
	start, size := len(b), sizeContent(content)
	b = appendHead(slices.Grow(b, headSize+size+tag), onceseal.IDGroup, g.key, g.number, size)
	from := len(b)
	additional := g.additional(b[start:])
	b = appendContent(b, content)
	g.next((*[chainSize]byte)(key))
	b = once((*[chainSize]byte)(key)).Seal(b[:from], noNonce, b[from:], additional)
	return b, g.proof(b[start:])
}

// Key opens one GROUP.
type Key [chainSize]byte

// OpenGroup opens in place, for who has sealed it, a GROUP that its key was kept of. It
// returns frames with those of its content appended, which alias frame.
func OpenGroup(own uuid.UUID, group string, key *Key, frame []byte, frames [][]byte) ([][]byte, error) {
	var m onceseal.Group
	if err := m.Decode(frame, nil); err != nil {
		return frames, fmt.Errorf("open a group's message: %w: %w", ErrMalformed, err)
	}
	c := newChain(own, group)
	plain, err := once((*[chainSize]byte)(key)).Open(m.Sealed[:0], noNonce, m.Sealed, c.additional(frame[:headSize]))
	if err != nil {
		return frames, fmt.Errorf("open message %d of a group: %w", m.Number, ErrForged)
	}
	return splitContent(plain, frames)
}

// maxSkip is how many messages may be missing before one, and how far below the
// highest that came one may be that still opens.
const maxSkip = 1024

// GroupReceiver opens what one sender says to one group under one KEY. After a
// [GroupSender.Redraw], messages under the old key may still be under way: the
// caller keeps the receivers of the latest two.
type GroupReceiver struct {
	chain
	skipped []skipped // by number
}

// skipped is the key of a message that others have overtaken.
type skipped struct {
	number uint64
	key    *[chainSize]byte
}

// NewGroupReceiver returns what opens the messages that a KEY is for. It was from
// that node, in a session. An error is ErrMalformed.
func NewGroupReceiver(from uuid.UUID, key *onceseal.Key) (*GroupReceiver, error) {
	if len(key.Group) > onceseal.MaxKeyGroup || len(key.Chain) != chainSize {
		return nil, fmt.Errorf("take a group's key: %w: sizes", ErrMalformed)
	}
	g := &GroupReceiver{chain: newChain(from, key.Group)}
	g.key, g.number, g.state = key.Key, key.Number, [chainSize]byte(key.Chain)
	return g, nil
}

// Key returns the number of the key, which the GROUP messages that it opens have.
func (g *GroupReceiver) Key() uint64 { return g.key }

// Number returns the number after the highest that was opened, or that of the KEY. By
// as much as it grows so many keys of messages were made.
func (g *GroupReceiver) Number() uint64 { return g.number }

// Open opens a GROUP in place, and returns frames with those of its content
// appended, which alias frame. Proof is the SEALED beside it, of a session of the
// sender. A frame under another key is ErrKey. One that came already, is from before
// the KEY, or more than 1024 numbers below the highest is ErrReplay. One before which
// more than 1024 are missing is ErrGap: what comes from then on takes another KEY. What
// the sender has not proved for this group is ErrForged; errors of [Receiver.Open] are
// those of the proof. What is refused is not changed and changes nothing but the
// session, unless the sender has proved what does not open: its number is used.
func (g *GroupReceiver) Open(session *Receiver, frame, proof []byte, frames [][]byte) ([][]byte, error) {
	var m onceseal.Group
	if err := m.Decode(frame, nil); err != nil {
		return frames, fmt.Errorf("open a group's message: %w: %w", ErrMalformed, err)
	}
	if m.Key != g.key {
		return frames, fmt.Errorf("open a group's message under key %d with %d: %w", m.Key, g.key, ErrKey)
	}
	if err := g.expects(m.Number); err != nil {
		return frames, fmt.Errorf("open message %d of a group: %w", m.Number, err)
	}
	if err := session.proved(proof, g.proof(frame)); err != nil {
		return frames, fmt.Errorf("open message %d of a group: %w", m.Number, err)
	}
	var key [chainSize]byte
	g.take(m.Number, &key)
	plain, err := once(&key).Open(m.Sealed[:0], noNonce, m.Sealed, g.additional(frame[:headSize]))
	clear(key[:])
	if err != nil {
		return frames, fmt.Errorf("open message %d of a group: %w", m.Number, ErrForged)
	}
	return splitContent(plain, frames)
}

// Forget forgets the keys of messages that others have overtaken: those are ErrReplay.
func (g *GroupReceiver) Forget() {
	g.forget(0, len(g.skipped))
	g.skipped = nil
}

// expects returns why a message cannot be opened, or nil.
func (g *GroupReceiver) expects(number uint64) error {
	if _, kept := g.find(number); number < g.number && !kept {
		return ErrReplay
	}
	if number >= g.number && number-g.number > maxSkip {
		return ErrGap
	}
	return nil
}

// take gives the key of a message that is expected, and forgets it.
func (g *GroupReceiver) take(number uint64, key *[chainSize]byte) {
	if i, found := g.find(number); found {
		*key = *g.skipped[i].key
		g.forget(i, i+1)
		return
	}
	for g.number < number {
		s := skipped{g.number, new([chainSize]byte)}
		g.next(s.key)
		g.skipped = append(g.skipped, s)
	}
	g.next(key)
	old, _ := g.find(number - min(number, maxSkip))
	g.forget(0, old)
}

// find returns where the key of a skipped message is, or would be.
func (g *GroupReceiver) find(number uint64) (int, bool) {
	return slices.BinarySearchFunc(g.skipped, number, func(s skipped, number uint64) int { return cmp.Compare(s.number, number) })
}

func (g *GroupReceiver) forget(from, to int) {
	for _, s := range g.skipped[from:to] {
		clear(s.key[:])
	}
	g.skipped = slices.Delete(g.skipped, from, to)
}
