package node

import (
	"crypto/rand"
	"encoding/binary"
	"strings"

	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
)

// propertyNonce is the property of READY and INITIATE in which a node challenges the
// far side of a connection; see api/protocol/zre_msg.xml. Who shows it is an @Once node.
const propertyNonce = "X-Once-Nonce"

// nonceSize is how many octets a nonce has.
const nonceSize = 16

// propertyIncarnation is the property in which a node shows in which of its lives it is,
// in 8 octets.
const propertyIncarnation = "X-Once-Incarnation"

// nonces are what the two ends of a connection have challenged each other with. Zeros
// stand for none: ours if the driver shows no properties, the far side's if it has shown
// none.
type nonces struct{ own, far [nonceSize]byte }

var noNonce [nonceSize]byte

// fresh tells whether each side was shown the other's: then what one signs over the
// nonce of the other is new.
func (c *nonces) fresh() bool { return c.own != noNonce && c.far != noNonce }

// newNonce returns a nonce for one connection.
func newNonce() []byte {
	nonce := make([]byte, nonceSize)
	rand.Read(nonce)
	return nonce
}

// showsNonce tells whether the far side of a handshake is an @Once node.
func showsNonce(m *zmtp.Metadata) bool {
	return len(m.Others[strings.ToLower(propertyNonce)]) == nonceSize
}

// challengesOf returns the nonces of a link that has just been opened, and the
// incarnation that the far side has shown, 0 if none.
func challengesOf(l *link.Link) (c nonces, incarnation uint64) {
	ours, theirs := l.TakeProperties()
	copy(c.own[:], ours[propertyNonce])
	if far := theirs[strings.ToLower(propertyNonce)]; len(far) == nonceSize {
		copy(c.far[:], far)
	}
	if shown := theirs[strings.ToLower(propertyIncarnation)]; len(shown) == 8 {
		incarnation = binary.BigEndian.Uint64(shown)
	}
	return c, incarnation
}
