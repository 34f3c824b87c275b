package seal

import (
	"crypto/cipher"
	"crypto/sha256"
	"hash"
	"slices"

	"github.com/google/uuid"
	"golang.org/x/crypto/chacha20poly1305"
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
