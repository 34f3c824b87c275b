package guard

import (
	"crypto/rand"
	"encoding/binary"
	"strings"

	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
)

// NonceSize is how many octets a nonce has.
const NonceSize = 16

// Nonces are what the two ends of a connection have challenged each other with. Zeros
// stand for none: ours if the driver shows no properties, the far side's if it has shown
// none.
type Nonces struct{ Own, Far [NonceSize]byte }

var noNonce [NonceSize]byte

// Fresh tells whether each side was shown the other's: then what one signs over the
// nonce of the other is new.
func (c *Nonces) Fresh() bool { return c.Own != noNonce && c.Far != noNonce }

// NewNonce returns a nonce for one connection.
func NewNonce() []byte {
	nonce := make([]byte, NonceSize)
	rand.Read(nonce)
	return nonce
}

// showsNonce tells whether the far side of a handshake is an @Once node.
func showsNonce(m *zmtp.Metadata) bool {
	return len(m.Others[strings.ToLower(PropertyNonce)]) == NonceSize
}

// Shows tells whether the far side of a link that has just been opened has shown a nonce.
func Shows(l *link.Link) bool { return len(l.Property(strings.ToLower(PropertyNonce))) == NonceSize }

// NoncesOf returns the nonces of a link that has just been opened, and the incarnation and
// the name that the far side has shown, 0 and nothing if none.
func NoncesOf(l *link.Link) (c Nonces, incarnation uint64, name string) {
	ours, theirs := l.TakeProperties()
	copy(c.Own[:], ours[PropertyNonce])
	if far := theirs[strings.ToLower(PropertyNonce)]; len(far) == NonceSize {
		copy(c.Far[:], far)
	}
	if shown := theirs[strings.ToLower(PropertyIncarnation)]; len(shown) == 8 {
		incarnation = binary.BigEndian.Uint64(shown)
	}
	return c, incarnation, nameOf(theirs)
}
