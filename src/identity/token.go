package identity

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncecard"
)

// Token is a token that was found to be right. It does not change.
type Token struct {
	Network           ed25519.PublicKey
	Member            uuid.UUID
	Name              string
	Roles             []string // sorted, each once
	NotBefore, Expiry time.Time
	octets            []byte
}

// Octets returns the token as it travels. They are not to be changed.
func (t *Token) Octets() []byte { return t.octets }

// ParseToken returns the token that octets hold, if it is right and valid now. Errors
// are ErrMalformed, ErrExpired or ErrForged. Whether the network is one to rely on, and
// the member is who shows the token, is for the caller to tell.
func ParseToken(octets []byte, now time.Time) (*Token, error) {
	t, err := readToken(octets)
	if err == nil {
		err = t.Valid(now)
	}
	if err == nil && !proved(t.Network, octets, octets[len(octets)-ed25519.SignatureSize:]) {
		err = ErrForged
	}
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	return t, nil
}

// readToken is ParseToken but for the time and the proof.
func readToken(octets []byte) (*Token, error) {
	var m oncecard.Token
	if err := decode(&m, octets, oncecard.MaxInviteToken); err != nil {
		return nil, err
	}
	if len(m.Network) != ed25519.PublicKeySize || m.Name == "" || !slices.Equal(m.Roles, sorted(m.Roles)) {
		return nil, fmt.Errorf("%w: key, name or roles", ErrMalformed)
	}
	if len(m.Proof) != ed25519.SignatureSize {
		return nil, ErrForged
	}
	return &Token{
		Network: m.Network, Member: m.Member, Name: m.Name, Roles: m.Roles,
		NotBefore: unix(m.NotBefore), Expiry: unix(m.Expiry), octets: bytes.Clone(octets),
	}, nil
}

// Valid returns ErrExpired unless the token is valid at a time.
func (t *Token) Valid(now time.Time) error {
	return valid(uint64(t.NotBefore.Unix()), uint64(t.Expiry.Unix()), now)
}

// Is tells whether a token is the same as another, which may be nil.
func (t *Token) Is(other *Token) bool {
	return t == other || t != nil && other != nil && bytes.Equal(t.octets, other.octets)
}

// later tells whether a token became valid after another, which may be nil.
func (t *Token) later(than *Token) bool { return than == nil || t.NotBefore.After(than.NotBefore) }

// sorted returns each role once, in order.
func sorted(roles []string) []string {
	list := slices.Compact(slices.Sorted(slices.Values(roles)))
	return slices.DeleteFunc(list, func(role string) bool { return role == "" })
}

// newToken returns a token of a network.
func newToken(network ed25519.PrivateKey, name string, roles []string, member uuid.UUID, from, until time.Time) (*Token, error) {
	m := oncecard.Token{
		Network: publicOf(network), Member: member, Name: name, Roles: sorted(roles),
		NotBefore: uint64(from.Unix()), Expiry: uint64(until.Unix()),
	}
	octets, err := prove(network, &m, &m.Proof)
	if err != nil {
		return nil, err
	}
	return ParseToken(octets, Anytime)
}

// tokenIn returns the token that a line of a file holds. It may have expired.
func tokenIn(line string) (*Token, error) {
	return in(wordToken, line, oncecard.MaxInviteToken, func(octets []byte) (*Token, error) { return ParseToken(octets, Anytime) })
}

func (t *Token) line() string { return written(wordToken, t.octets) + "\n" }
