package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/sjohnr/at-once/src/identity"
)

// When a session is to be replaced by another. Its key opens all of it, and may
// outlive the sealing key: age and messages bound what is lost with it. Within 2^36
// octets, which are 2^32 blocks of AES, the advantage of who would tell content from
// noise stays below 2^-64 (draft-irtf-cfrg-aead-limits, AES-GCM; TLS 1.3 stops at
// about 2^38.5 octets, RFC 8446, section 5.5). Nonces do not limit it: each message
// has its own (NIST SP 800-38D, sections 8.2.1 and 8.3).
const (
	MaxAge      = 10 * time.Minute // by the caller's clock
	MaxMessages = 1 << 24          // see [Sender.Spent]
	MaxOctets   = 1 << 36          // likewise
)

// How many octets a challenge has.
const minChallenge, maxChallenge = 16, 64

// purpose begins what a session is made of, and what its opening is signed for.
const purpose = "once_seal 1"

// transcript returns what both sides of a session have to agree on.
func transcript(from, to *identity.Card, challenge []byte, number uint64) ([]byte, error) {
	if len(challenge) < minChallenge || len(challenge) > maxChallenge {
		return nil, fmt.Errorf("%w: a challenge of %d octets", ErrMalformed, len(challenge))
	}
	sender, receiver := from.Digest(), to.Digest()
	return binary.BigEndian.AppendUint64(slices.Concat(sender[:], receiver[:], challenge), number), nil
}

// info returns the info of HPKE (RFC 9180, section 5.1).
func info(transcript []byte) []byte { return slices.Concat([]byte(purpose), []byte{0}, transcript) }

// session is the cipher of one session, with a nonce for each number.
type session struct {
	number uint64
	aead   cipher.AEAD
	nonce  [12]byte
	base   uint64 // what the last octets of the nonce are for number 0
}

const secretSize = 32 + len(session{}.nonce)

// derive makes the session of a number from what HPKE has agreed on.
func derive(number uint64, export func(context string, octets int) ([]byte, error)) (session, error) {
	secret, err := export("session", secretSize)
	if err != nil {
		return session{}, err
	}
	defer clear(secret)
	block, err := aes.NewCipher(secret[:32])
	if err != nil {
		return session{}, err
	}
	aead, err := cipher.NewGCM(block)
	s := session{number: number, aead: aead, nonce: [12]byte(secret[32:])}
	s.base = binary.BigEndian.Uint64(s.nonce[4:])
	return s, err
}

// at returns the nonce of a message, until the next call.
func (s *session) at(number uint64) []byte {
	binary.BigEndian.PutUint64(s.nonce[4:], s.base^number)
	return s.nonce[:]
}
