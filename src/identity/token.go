package identity

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncecard"
	"github.com/sjohnr/at-once/src/wire"
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
	var m oncecard.Token
	err := decode(&m, octets, oncecard.MaxInviteToken)
	switch {
	case err != nil:
	case len(m.Network) != ed25519.PublicKeySize || m.Name == "" || !slices.Equal(m.Roles, sorted(m.Roles)):
		err = fmt.Errorf("%w: key, name or roles", ErrMalformed)
	default:
		err = valid(m.NotBefore, m.Expiry, now)
	}
	if err == nil && !proved(m.Network, octets, m.Proof) {
		err = ErrForged
	}
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	return &Token{
		Network: m.Network, Member: m.Member, Name: m.Name, Roles: m.Roles,
		NotBefore: unix(m.NotBefore), Expiry: unix(m.Expiry), octets: bytes.Clone(octets),
	}, nil
}

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
	octets, err := unwritten(wordToken, strings.TrimSuffix(line, "\n"), oncecard.MaxInviteToken)
	if err != nil {
		return nil, err
	}
	return ParseToken(octets, Anytime)
}

func (t *Token) line() string { return written(wordToken, t.octets) + "\n" }

// MaxRevocation is the most octets that a revocation may have.
const MaxRevocation = 256 << 10

// Revocation is a list that was found to be right. It does not change.
type Revocation struct {
	Network ed25519.PublicKey
	Number  uint64                  // higher with each list of the network
	Members map[uuid.UUID]time.Time // until when what tokens became valid is void
	octets  []byte
}

// Voids tells whether a token was taken back.
func (r *Revocation) Voids(t *Token) bool {
	until, listed := r.Members[t.Member]
	return listed && !t.NotBefore.After(until)
}

// ParseRevocation returns the revocation that octets hold, if it is right. Errors are
// ErrMalformed or ErrForged.
func ParseRevocation(octets []byte) (*Revocation, error) {
	var m oncecard.Revocation
	err := decode(&m, octets, MaxRevocation)
	members := make(map[uuid.UUID]time.Time, len(m.Members))
	for _, pair := range m.Members {
		id, _ := uuid.Parse(pair.Key) // what is not right does not come out the same
		until, _ := strconv.ParseUint(pair.Value, 10, 40)
		members[id] = unix(until)
	}
	switch {
	case err != nil:
	case len(m.Network) != ed25519.PublicKeySize || !slices.Equal(m.Members, pairs(members)):
		err = fmt.Errorf("%w: key or members", ErrMalformed)
	case !proved(m.Network, octets, m.Proof):
		err = ErrForged
	}
	if err != nil {
		return nil, fmt.Errorf("revocation: %w", err)
	}
	return &Revocation{Network: m.Network, Number: m.Number, Members: members, octets: bytes.Clone(octets)}, nil
}

// pairs writes the members of a revocation in the one way that there is.
func pairs(members map[uuid.UUID]time.Time) []wire.Pair {
	list := make(map[string]string, len(members))
	for id, until := range members {
		list[id.String()] = strconv.FormatInt(until.Unix(), 10)
	}
	return wire.Pairs(list)
}

// newRevocation returns a revocation of a network.
func newRevocation(network ed25519.PrivateKey, number uint64, members map[uuid.UUID]time.Time) (*Revocation, error) {
	m := oncecard.Revocation{Network: publicOf(network), Number: number, Members: pairs(members)}
	octets, err := prove(network, &m, &m.Proof)
	if err != nil {
		return nil, err
	}
	return ParseRevocation(octets)
}

const fileRevocation = "revocation"

// revocation returns the list of a network that the directory has, one with number 0 if
// there is none.
func (d directory) revocation(network ed25519.PublicKey) (*Revocation, error) {
	r, err := read(d, fileRevocation, ofTrusted, revocationIn)
	if r == nil {
		r = &Revocation{Network: network, Members: map[uuid.UUID]time.Time{}}
	}
	if !r.Network.Equal(network) {
		err = fmt.Errorf("%s: %w", d.path(fileRevocation), ErrNetwork)
	}
	return r, err
}

// revocationIn returns the revocation that a text holds.
func revocationIn(text string) (*Revocation, error) {
	octets, err := unwritten(wordRevocation, strings.TrimSuffix(text, "\n"), MaxRevocation)
	if err != nil {
		return nil, err
	}
	return ParseRevocation(octets)
}

// adopt keeps a revocation if it is newer than the one in the directory. The caller has
// the lock.
func (d directory) adopt(r *Revocation) error {
	old, err := d.revocation(r.Network)
	if err != nil || r.Number <= old.Number {
		return err
	}
	return d.write(fileRevocation, 0o644, []byte(r.Text()+"\n"))
}

// Text returns the revocation as people pass it on.
func (r *Revocation) Text() string { return written(wordRevocation, r.octets) }
