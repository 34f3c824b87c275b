package rendezvous

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/google/uuid"
)

// Secret is what the nodes of a network share and no server has. It prints as nothing.
type Secret [32]byte

// NewSecret draws one.
func NewSecret() (s Secret) {
	rand.Read(s[:])
	return s
}

func (Secret) String() string   { return "SECRET" }
func (Secret) GoString() string { return "SECRET" }

// Number names a network at a server.
type Number [sha256.Size]byte

// Tag stands for a group, or for the whole network.
type Tag [8]byte

// Keys are those of one network at one server. They do not change.
type Keys struct {
	Server  ed25519.PublicKey // of the server's identity
	Members ed25519.PublicKey // of the network, if only members may come in, else nil
	Part    []byte            // what a server is shown; nil for the lobby
	Number  Number
	secret  Secret
	tags    []byte
}

// KeysOf returns the keys of a network with a secret, or, if that is zeros, of the lobby.
func KeysOf(secret Secret, server, members ed25519.PublicKey) *Keys {
	k := &Keys{Server: server, Members: members, secret: secret}
	if !k.Lobby() {
		k.Part, k.tags = k.derive("once part 1"), k.derive("once tags 1")
	}
	k.Number = NumberOf(server, k.Part, members)
	return k
}

// NumberOf returns the number of a network that part and the network's key make.
func NumberOf(server, part, members []byte) Number {
	return sha256.Sum256(slices.Concat([]byte("once network 1\x00"), server, part, members))
}

// Lobby tells whether there is no secret.
func (k *Keys) Lobby() bool { return k.secret == Secret{} }

func (k *Keys) derive(info string) []byte {
	key, err := hkdf.Key(sha256.New, k.secret[:], k.Server, info, 32)
	if err != nil {
		panic(err) // only more than 255 times the size of a digest fails
	}
	return key
}

// Whole returns the tag of the whole network.
func (k *Keys) Whole() Tag { return k.tag(0, "") }

// Group returns the tag of a group.
func (k *Keys) Group(name string) Tag { return k.tag(1, name) }

func (k *Keys) tag(kind byte, name string) Tag {
	mac := hmac.New(sha256.New, k.tags)
	mac.Write(append([]byte{kind}, name...))
	return Tag(mac.Sum(nil))
}

// inside returns what seals the INSIDE of a record, once, under a nonce of zeros.
func (k *Keys) inside(id uuid.UUID, incarnation, serial uint64) cipher.AEAD {
	info := append([]byte("once inside 1"), id[:]...)
	info = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(info, incarnation), serial)
	block, err := aes.NewCipher(k.derive(string(info)))
	if err != nil {
		panic(err) // the key is of 32 octets
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES has blocks of 16 octets
	}
	return aead
}

// CompareTags compares tags as they are sorted.
func CompareTags(a, b Tag) int { return bytes.Compare(a[:], b[:]) }

// AppendTags appends tags as they travel: sorted, none twice.
func AppendTags(b []byte, tags []Tag) []byte {
	sorted := slices.SortedFunc(slices.Values(tags), CompareTags)
	for _, tag := range slices.Compact(sorted) {
		b = append(b, tag[:]...)
	}
	return b
}

// ParseTags is the inverse.
func ParseTags(octets []byte) (tags []Tag, ok bool) {
	tags = make([]Tag, 0, len(octets)/len(Tag{}))
	for ; len(octets) >= len(Tag{}); octets = octets[len(Tag{}):] {
		tag := Tag(octets)
		if n := len(tags); n > 0 && CompareTags(tags[n-1], tag) >= 0 {
			return nil, false
		}
		tags = append(tags, tag)
	}
	return tags, len(octets) == 0
}
