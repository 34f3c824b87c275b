package identity

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncecard"
	"github.com/sjohnr/at-once/src/wire"
)

// Token is a token that was found to be right. It does not change.
type Token struct {
	Network           ed25519.PublicKey
	Member            uuid.UUID
	Name              string   // empty if the details are not shown
	Roles             []string // sorted, each once
	NotBefore, Expiry time.Time
	octets            []byte // details come after the token
}

// Octets returns the token as members show it to each other, with its details. They are not to
// be changed.
func (t *Token) Octets() []byte { return t.octets }

// Bare returns the token as others are shown it, without its details.
func (t *Token) Bare() []byte { return t.octets[:oncecard.MaxToken:oncecard.MaxToken] }

func (t *Token) details() []byte { return t.octets[oncecard.MaxToken:] }

// ParseToken returns the token that octets hold, with its details, if it is right and valid
// now. Errors are ErrMalformed, ErrExpired or ErrForged. Whether the network is one to rely on,
// and the member is who shows the token, is for the caller to tell.
func ParseToken(octets []byte, now time.Time) (*Token, error) {
	t, err := ParseShownToken(octets, now)
	if err == nil && t.Name == "" {
		err = fmt.Errorf("token: %w: no details", ErrMalformed)
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

// ParseShownToken is ParseToken for one whose details need not be shown.
func ParseShownToken(octets []byte, now time.Time) (*Token, error) {
	t, err := readToken(octets)
	if err == nil {
		err = t.Valid(now)
	}
	if err == nil && !proved(t.Network, cardPurpose, nil, t.Bare()) {
		err = ErrForged
	}
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	return t, nil
}

// readToken is ParseShownToken but for the time and the proof.
func readToken(octets []byte) (*Token, error) {
	var m oncecard.Token
	bare := octets[:min(len(octets), oncecard.MaxToken)]
	if err := decode(&m, bare, oncecard.MaxToken); err != nil {
		return nil, err
	}
	t := &Token{Network: m.Network, Member: m.Member, NotBefore: unix(m.NotBefore), Expiry: unix(m.Expiry), octets: bytes.Clone(octets)}
	if len(t.details()) == 0 {
		return t, nil
	}
	var d oncecard.Details
	if err := decode(&d, t.details(), oncecard.MaxDetails); err != nil {
		return nil, err
	}
	if d.Name == "" || !slices.Equal(d.Roles, sorted(d.Roles)) {
		return nil, fmt.Errorf("%w: name or roles", ErrMalformed)
	}
	if sha256.Sum256(t.details()) != [sha256.Size]byte(m.Digest) {
		return nil, fmt.Errorf("%w: details of another token", ErrForged)
	}
	t.Name, t.Roles = d.Name, d.Roles
	return t, nil
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

// newToken returns a token of a network, from which nobody can guess its details.
func newToken(network ed25519.PrivateKey, name string, roles []string, member uuid.UUID, from, until time.Time) (*Token, error) {
	d := oncecard.Details{Salt: make([]byte, oncecard.MaxDetailsSalt), Name: name, Roles: sorted(roles)}
	rand.Read(d.Salt)
	return tokenWith(network, &d, member, from, until)
}

func tokenWith(network ed25519.PrivateKey, d *oncecard.Details, member uuid.UUID, from, until time.Time) (*Token, error) {
	details, err := d.AppendTo(nil)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(details)
	m := oncecard.Token{Network: publicOf(network), Member: member, Digest: digest[:], NotBefore: uint64(from.Unix()), Expiry: uint64(until.Unix())}
	octets, err := prove(network, cardPurpose, nil, &m, &m.Proof)
	if err != nil {
		return nil, err
	}
	return ParseToken(append(octets, details...), Anytime)
}

// tokenIn returns the token that a line of a file holds. It may have expired.
func tokenIn(line string) (*Token, error) {
	return in(wordToken, line, oncecard.MaxInviteToken, func(octets []byte) (*Token, error) { return ParseToken(octets, Anytime) })
}

func (t *Token) line() string { return written(wordToken, t.octets) + "\n" }

// Roll is what a network says of its members, and was found to be right. It does not
// change.
type Roll struct {
	Network ed25519.PublicKey
	Number  uint64                  // higher with each roll of the network; 0 for none
	Revoked map[uuid.UUID]time.Time // until when what tokens became valid is void
	Tokens  map[uuid.UUID]*Token    // the latest of each member that is not void
	Moves   []byte                  // how the network came to its key
	Vouched []byte                  // the digest of the addresses of its servers; nil if it has none
	keys    former
	octets  []byte
	bare    []byte // what the proof is over
	rank    Rank
}

// noRoll is the roll of a network that has none yet.
func noRoll(network ed25519.PublicKey) *Roll {
	return &Roll{Network: network, Revoked: map[uuid.UUID]time.Time{}}
}

// Octets returns the roll as it travels among members. They are not to be changed.
func (r *Roll) Octets() []byte { return r.octets }

// Bare returns the roll as others are shown it, without the details of its tokens.
func (r *Roll) Bare() []byte { return r.bare }

// Text returns the roll as people pass it on.
func (r *Roll) Text() string { return written(wordRoll, r.octets) }

// Voids tells whether a token was taken back.
func (r *Roll) Voids(t *Token) bool {
	until, listed := r.Revoked[t.Member]
	return listed && !t.NotBefore.After(until)
}

// Rank tells which of the rolls of a network is the latest.
type Rank struct {
	Moves  uint8
	Number uint64
	Digest [sha256.Size]byte
}

// Rank returns the roll's rank.
func (r *Roll) Rank() Rank { return r.rank }

// Compare is above 0 if a rank is higher than another.
func (r Rank) Compare(other Rank) int {
	return cmp.Or(cmp.Compare(r.Moves, other.Moves), cmp.Compare(r.Number, other.Number), bytes.Compare(r.Digest[:], other.Digest[:]))
}

// Succeeds tells whether a roll comes in place of another that a member keeps. Errors are
// ErrNetwork, ErrMoved, ErrLeftBehind, and ErrForgets if one of the two does not revoke
// whom the other does: then neither is in place of the other.
func (r *Roll) Succeeds(old *Roll, member uuid.UUID) (bool, error) {
	switch {
	case !r.Network.Equal(old.Network):
		return r.moves(old, member)
	case r.Rank().Compare(old.Rank()) <= 0:
		if !old.Covers(r) {
			return false, ErrForgets
		}
		return false, nil
	case !r.Covers(old):
		return false, ErrForgets
	}
	return true, nil
}

// moves is Succeeds for a roll of another network.
func (r *Roll) moves(old *Roll, member uuid.UUID) (bool, error) {
	switch {
	case r.keys.have(old.Network) && r.Tokens[member] == nil:
		return false, ErrLeftBehind
	case r.keys.have(old.Network):
		return true, nil
	case old.keys.have(r.Network):
		return false, nil
	}
	return false, old.foreign(r.keys)
}

// former are the keys that a network had before the one that it has.
type former []ed25519.PublicKey

func (f former) have(key ed25519.PublicKey) bool {
	return slices.ContainsFunc(f, func(k ed25519.PublicKey) bool { return k.Equal(key) })
}

// foreign returns why a network that had certain keys before is none of ours.
func (r *Roll) foreign(keys former) error {
	if slices.ContainsFunc(keys, r.keys.have) {
		return ErrMoved
	}
	return ErrNetwork
}

// Covers tells whether a roll revokes whom another does.
func (r *Roll) Covers(old *Roll) bool {
	for id, until := range old.Revoked {
		if r.Revoked[id].Before(until) {
			return false
		}
	}
	return true
}

// ParseRoll returns the roll that octets hold, with the details of its tokens, if it is right.
// Errors are ErrMalformed or ErrForged.
func ParseRoll(octets []byte) (*Roll, error) { return parseRoll(octets, true) }

// ParseBareRoll is ParseRoll for one without details.
func ParseBareRoll(octets []byte) (*Roll, error) { return parseRoll(octets, false) }

func parseRoll(octets []byte, detailed bool) (r *Roll, err error) {
	var m oncecard.Roll
	var bare []byte
	err = decode(&m, octets, oncecard.MaxRoll)
	if details := m.Details; err == nil {
		m.Details = nil
		if bare, err = m.AppendTo(nil); err == nil && !proved(m.Network, cardPurpose, nil, bare) { // before what it takes to read the rest
			err = ErrForged
		}
		if m.Details = details; err == nil && len(details) != len(m.Tokens) && (detailed || len(details) > 0) {
			err = fmt.Errorf("%w: details", ErrMalformed)
		}
	}
	if err == nil {
		r, err = rollOf(&m, bytes.Clone(octets), bare)
	}
	if err != nil {
		return nil, fmt.Errorf("roll: %w", err)
	}
	return r, nil
}

// rollOf returns the roll that a message is and octets encode, and bare without details.
func rollOf(m *oncecard.Roll, octets, bare []byte) (*Roll, error) {
	r := &Roll{
		Network: m.Network, Number: m.Number, Moves: m.Moves, Vouched: m.Vouched, octets: octets, bare: bare,
		Revoked: make(map[uuid.UUID]time.Time, len(m.Revoked)), Tokens: make(map[uuid.UUID]*Token, len(m.Tokens)),
	}
	for _, pair := range m.Revoked {
		id, _ := uuid.Parse(pair.Key) // what is not right does not come out the same
		until, _ := strconv.ParseUint(pair.Value, 10, 40)
		r.Revoked[id] = unix(until)
	}
	for i, text := range m.Tokens {
		octets, err := ParseBase64(text)
		if err == nil && len(m.Details) > 0 {
			var details []byte
			details, err = ParseBase64(m.Details[i])
			octets = append(octets, details...)
		}
		if err != nil {
			return nil, err
		}
		token, err := readToken(octets) // which the roll's proof is over
		if err != nil {
			return nil, err
		}
		if r.Tokens[token.Member] = token; !token.Network.Equal(r.Network) || r.Voids(token) || (token.Name == "") != (len(m.Details) == 0) {
			return nil, fmt.Errorf("%w: token of %s", ErrMalformed, token.Member)
		}
	}
	if !slices.Equal(m.Revoked, r.pairs()) || !slices.Equal(m.Tokens, r.texts((*Token).Bare)) || len(m.Details) > 0 && !slices.Equal(m.Details, r.texts((*Token).details)) {
		return nil, fmt.Errorf("%w: members", ErrMalformed)
	}
	if n := len(m.Vouched); n != 0 && n != sha256.Size {
		return nil, fmt.Errorf("%w: servers", ErrMalformed)
	}
	var err error
	r.keys, err = keysOf(m.Moves, m.Network)
	r.rank = Rank{uint8(len(r.keys)), r.Number, sha256.Sum256(bare)}
	return r, err
}

// pairs writes who is revoked in the one way that there is.
func (r *Roll) pairs() []wire.Pair {
	list := make(map[string]string, len(r.Revoked))
	for id, until := range r.Revoked {
		list[id.String()] = strconv.FormatInt(until.Unix(), 10)
	}
	return wire.Pairs(list)
}

// texts writes a part of the tokens in the one way that there is.
func (r *Roll) texts(part func(*Token) []byte) []string {
	list := make([]string, 0, len(r.Tokens))
	for _, id := range slices.SortedFunc(maps.Keys(r.Tokens), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }) {
		list = append(list, Base64(part(r.Tokens[id])))
	}
	return list
}

// signed returns the roll as the network's key makes it one.
func (r *Roll) signed(network ed25519.PrivateKey) (*Roll, error) {
	m := oncecard.Roll{Network: publicOf(network), Number: r.Number, Moves: r.Moves, Vouched: r.Vouched, Revoked: r.pairs(), Tokens: r.texts((*Token).Bare)}
	octets, err := prove(network, cardPurpose, nil, &m, &m.Proof)
	if err == nil {
		m.Details = r.texts((*Token).details)
		octets, err = m.AppendTo(nil)
	}
	if err != nil {
		return nil, fmt.Errorf("the network's roll: %w: %w", ErrFull, err)
	}
	return ParseRoll(octets)
}

// maxMoves is how often a network may get another key.
const maxMoves = oncecard.MaxRollMoves / oncecard.MaxMove

// keysOf returns the keys that a network had before the one that it has, as its MOVEs say,
// which are one after the other.
func keysOf(moves []byte, now ed25519.PublicKey) (keys former, err error) {
	var to ed25519.PublicKey
	for octets := range slices.Chunk(moves, oncecard.MaxMove) {
		var m oncecard.Move
		switch err := decode(&m, octets, oncecard.MaxMove); {
		case err != nil:
			return nil, err
		case len(keys) == maxMoves || len(keys) > 0 && !to.Equal(ed25519.PublicKey(m.From)):
			return nil, fmt.Errorf("%w: moves", ErrMalformed)
		case !proved(m.From, cardPurpose, nil, octets):
			return nil, ErrForged
		}
		keys, to = append(keys, m.From), m.To
	}
	if len(keys) > 0 && !to.Equal(now) {
		return nil, fmt.Errorf("%w: moves to another key", ErrMalformed)
	}
	return keys, nil
}

// moved returns the move of a network to another key.
func moved(from ed25519.PrivateKey, to ed25519.PublicKey, now time.Time) ([]byte, error) {
	m := oncecard.Move{From: publicOf(from), To: to, Time: uint64(now.Unix())}
	return prove(from, cardPurpose, nil, &m, &m.Proof)
}

const fileRoll = "roll"

// roll returns the network's roll that the directory has, nil if there is none.
func (d directory) roll() (*Roll, error) { return read(d, fileRoll, ofTrusted, RollIn) }

// RollIn returns the roll that a text holds.
func RollIn(text string) (*Roll, error) { return in(wordRoll, text, oncecard.MaxRoll, ParseRoll) }
