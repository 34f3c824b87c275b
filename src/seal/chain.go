package seal

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"slices"

	"github.com/google/uuid"
	"golang.org/x/crypto/chacha20poly1305"
)

// groupPurpose begins what the signatures of GROUP are over.
const groupPurpose = "once_seal 1 group\x00"

// chainSize is how many octets the state of a chain and the key of a message have.
const chainSize = 32

// chain is what both ends know of one KEY.
type chain struct {
	key    uint64
	number uint64 // of the message that the state is for
	state  [chainSize]byte
	bound  []byte // sender's id and group's name, with room for the head of a message
	digest hash.Hash
}

func newChain(from uuid.UUID, group string) chain {
	bound := slices.Concat(from[:], []byte{byte(len(group))}, []byte(group))
	return chain{bound: slices.Grow(bound, headSize), digest: sha256.New()}
}

// next gives the key of the next message, and moves the chain over it.
func (c *chain) next(key *[chainSize]byte) {
	mac := hmac.New(sha256.New, c.state[:])
	mac.Write([]byte{1})
	mac.Sum(key[:0])
	mac.Reset()
	mac.Write([]byte{2})
	mac.Sum(c.state[:0])
	c.number++
}

// additional returns the additional data of a message with that head, until the
// next call.
func (c *chain) additional(head []byte) []byte { return append(c.bound, head...) }

// signed returns what the proof of a message is over.
func (c *chain) signed(additional, sealed []byte) []byte {
	c.digest.Reset()
	c.digest.Write(additional)
	c.digest.Write(sealed)
	return c.digest.Sum([]byte(groupPurpose))
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
