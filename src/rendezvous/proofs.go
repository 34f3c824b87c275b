package rendezvous

import (
	"crypto/ed25519"

	"github.com/sjohnr/at-once/src/identity"
)

// What the proofs in CHALLENGE and AUTHENTICATE are for.
const (
	ServerPurpose = "once_msg 1 server"
	NodePurpose   = "once_msg 1"
)

// ServerWords are what the proof in CHALLENGE is over.
func ServerWords(key [32]byte, challenge []byte) identity.Words {
	return func(b []byte) []byte { return append(append(b, key[:]...), challenge...) }
}

// NodeWords are what the proof in AUTHENTICATE is over.
func NodeWords(server ed25519.PublicKey, challenge []byte, network Number) identity.Words {
	return func(b []byte) []byte { return append(append(append(b, server...), challenge...), network[:]...) }
}
