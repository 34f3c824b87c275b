package identity

import (
	"bytes"
	"crypto/mlkem"
	"crypto/sha256"
	"fmt"
	"sync"
)

// SealingSize is how many octets a sealing key has.
const SealingSize = mlkem.EncapsulationKeySize768 + 32

// Sealing is the sealing key that a card names, a public key of HPKE: it may be known, or
// yet to come. Cards that name the same key may share it. Its methods are safe for
// concurrent use.
type Sealing struct {
	digest [sha256.Size]byte

	mu   sync.Mutex
	key  []byte        // nil until it is known
	came chan struct{} // nil if nobody waits
}

// Digest returns the SHA-256 of the key.
func (s *Sealing) Digest() [sha256.Size]byte { return s.digest }

// Key returns the key, nil if it is not known. It is not to be changed.
func (s *Sealing) Key() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.key
}

// Take takes in the key, which is the Sealing's from then on. The error is ErrMalformed if
// it is another, or none.
func (s *Sealing) Take(key []byte) error {
	if len(key) != SealingSize {
		return fmt.Errorf("sealing key: %w: %d octets", ErrMalformed, len(key))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case bytes.Equal(key, s.key):
		return nil
	case sha256.Sum256(key) != s.digest:
		return fmt.Errorf("sealing key: %w: it is not the one that the card names", ErrMalformed)
	case !sealable(key):
		return fmt.Errorf("sealing key: %w", ErrMalformed)
	}
	s.key = key
	s.wakeLocked()
	return nil
}

// Came returns what is closed when the key is known, or may count no longer.
func (s *Sealing) Came() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	came := s.came
	if came == nil {
		came = make(chan struct{})
		if s.came = came; s.key != nil {
			s.wakeLocked()
		}
	}
	return came
}

// Wake has those who wait for the key look again whether it counts.
func (s *Sealing) Wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wakeLocked()
}

func (s *Sealing) wakeLocked() {
	if s.came != nil {
		close(s.came)
		s.came = nil
	}
}

// sealable tells whether octets are a public key of MLKEM768-X25519, as package hpke would,
// which also computes what a key is used with, and nobody may ever use it: the 768 numbers
// of 12 bits that a key of ML-KEM-768 begins with are below its modulus (FIPS 203, 7.2), and
// nothing else can be wrong with it or with a key of X25519.
func sealable(key []byte) bool {
	const numbers, modulus = 768, 3329
	if len(key) != SealingSize {
		return false
	}
	for b := key[:numbers*3/2]; len(b) > 0; b = b[3:] {
		low, high := uint(b[0])|uint(b[1]&15)<<8, uint(b[1]>>4)|uint(b[2])<<4
		if low >= modulus || high >= modulus {
			return false
		}
	}
	return true
}
