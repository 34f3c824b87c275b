package guard

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncelink"
	"github.com/sjohnr/at-once/src/identity"
)

// linkPurpose is what the key of a Tie is derived for.
const linkPurpose = "once_link 1"

// MAC proves a message of a link; see api/protocol/once_link.xml.
type MAC [oncelink.MaxResumeMac]byte

// Tie proves what two nodes that have shown each other their cards say about the links
// between them, and in their channel without sealing it. It does not change. The nil Tie stands for where there is nothing to
// prove it by: all its MACs are zeros, and it finds each right.
type Tie struct {
	key      []byte
	own, far uuid.UUID
}

// Tie returns what ties the node to a peer with a card.
func (g *Guard) Tie(to uuid.UUID, card *identity.Card) (*Tie, error) {
	public, err := g.Identity.Transport().Curve().NewPublicKey(card.Transport[:])
	if err != nil {
		return nil, err
	}
	secret, err := g.Identity.Transport().ECDH(public)
	if err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, secret, nil, linkPurpose, sha256.Size)
	return &Tie{key, g.ID, to}, err
}

// Prove returns the MAC of what we say over a link with these nonces.
func (t *Tie) Prove(on *Nonces, said []byte) MAC {
	if t == nil {
		return MAC{}
	}
	return t.mac(t.own, t.far, on.Own, on.Far, said)
}

// Proves tells whether a MAC is that of what the peer says over a link with these nonces.
func (t *Tie) Proves(on *Nonces, said, mac []byte) bool {
	if t == nil {
		return true
	}
	right := t.mac(t.far, t.own, on.Far, on.Own, said)
	return hmac.Equal(right[:], mac)
}

// Place is where a message is in a channel: the numbers of its sender and of its receiver,
// and the position.
type Place struct{ Own, Other, Position uint64 }

func (p *Place) words() (channel, position [NonceSize]byte) {
	binary.BigEndian.PutUint64(channel[:], p.Own)
	binary.BigEndian.PutUint64(channel[8:], p.Other)
	binary.BigEndian.PutUint64(position[:], p.Position)
	return channel, position
}

// ProveAt returns the MAC of what we say in a channel without sealing it.
func (t *Tie) ProveAt(at Place, said []byte) MAC {
	channel, position := at.words()
	return t.mac(t.own, t.far, channel, position, said)
}

// ProvesAt tells whether a MAC is that of what the peer says in a channel without sealing it.
func (t *Tie) ProvesAt(at Place, said, mac []byte) bool {
	channel, position := at.words()
	right := t.mac(t.far, t.own, channel, position, said)
	return hmac.Equal(right[:], mac)
}

// mac returns a part of HMAC-SHA-256 (RFC 2104). Package hmac would allocate its state each
// time, and there are several for each link that is made.
func (t *Tie) mac(from, to uuid.UUID, its, others [NonceSize]byte, said []byte) (mac MAC) {
	var room [4 * sha256.BlockSize]byte
	b := t.pad(room[:0], 0x36)
	for _, part := range [][]byte{from[:], to[:], its[:], others[:], said} {
		b = append(b, part...)
	}
	inner := sha256.Sum256(b)
	outer := sha256.Sum256(append(t.pad(room[:0], 0x5c), inner[:]...))
	copy(mac[:], outer[:])
	return mac
}

// pad appends the block of HMAC that has the key.
func (t *Tie) pad(b []byte, with byte) []byte {
	from := len(b)
	b = append(b, make([]byte, sha256.BlockSize)...)
	copy(b[from:], t.key)
	for i := range b[from:] {
		b[from+i] ^= with
	}
	return b
}
