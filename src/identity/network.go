package identity

import (
	"cmp"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncecard"
	"github.com/sjohnr/at-once/src/z85"
)

const fileMembers = "members"

// Network is the key that makes members of a network, in a directory of its own. All
// methods may be called from any goroutine.
type Network struct {
	dir directory
	key ed25519.PrivateKey
}

// OpenNetwork returns the network in a directory, and makes both if they are missing.
func OpenNetwork(dir string) (*Network, error) {
	if err := directory(dir).establishKey("network", newSeed()); err != nil {
		return nil, err
	}
	return LoadNetwork(dir)
}

// LoadNetwork returns the network in a directory. Errors are as those of [Load].
func LoadNetwork(dir string) (*Network, error) {
	key, err := directory(dir).key("network")
	if err != nil {
		return nil, err
	}
	return &Network{directory(dir), key}, nil
}

// PublicKey returns what the network is known by.
func (n *Network) PublicKey() string { return z85.Encode(publicOf(n.key)) }

// Invite returns an invite for so many days, for a member with roles between commas.
func (n *Network) Invite(name, roles string, member uuid.UUID, days int) (string, error) {
	list := strings.Split(roles, ",")
	for i, role := range list {
		list[i] = strings.TrimSpace(role)
	}
	invite, _, err := n.invite(name, list, member, time.Duration(days)*24*time.Hour, time.Now())
	return invite, err
}

// Revoke revokes the member with a name or an id.
func (n *Network) Revoke(name string) (string, error) {
	members, err := n.Members()
	if err != nil {
		return "", err
	}
	id, err := uuid.Parse(cmp.Or(members[name], name))
	if err != nil {
		return "", api.ErrUnknown
	}
	r, err := n.revoke(id, time.Now())
	if err != nil {
		return "", err
	}
	return r.Text(), nil
}

// Revoked returns the latest list, empty if nobody was revoked.
func (n *Network) Revoked() (string, error) {
	r, err := n.dir.revocation(publicOf(n.key))
	if err != nil || r.Number == 0 {
		return "", err
	}
	return r.Text(), nil
}

// Members returns who has a token that was not taken back, each with its id. It may have
// expired; of two that have a name the later counts.
func (n *Network) Members() (map[string]string, error) {
	tokens, revoked, err := n.issued()
	ids := make(map[string]string, len(tokens))
	for _, t := range tokens {
		if !revoked.Voids(t) {
			ids[t.Name] = t.Member.String()
		}
	}
	return ids, err
}

// invite returns an invite that makes a member of the network for so long, and the
// token in it. Without a member's id it brings a new identity, and is a secret until
// it is taken. The error is ErrName if another member has the name.
func (n *Network) invite(name string, roles []string, member uuid.UUID, valid time.Duration, now time.Time) (text string, token *Token, err error) {
	var m oncecard.Invite
	if member == uuid.Nil {
		m.Seed = newSeed()
		member = IDOf(publicOf(ed25519.NewKeyFromSeed(m.Seed)))
	} else if !Owned(member) {
		return "", nil, fmt.Errorf("%s is not the id of an identity: %w", member, ErrStranger)
	}
	err = n.dir.locked(func() error {
		token, err = n.vouch(name, roles, member, valid, now)
		return err
	})
	if err != nil {
		return "", nil, err
	}
	m.Token = token.octets
	octets, err := m.AppendTo(nil)
	return written(wordInvite, octets), token, err
}

// vouch makes a token, and keeps it in place of those that it renews. It becomes valid
// after the time up to which the member was revoked.
func (n *Network) vouch(name string, roles []string, member uuid.UUID, valid time.Duration, now time.Time) (*Token, error) {
	tokens, revoked, err := n.issued()
	if err != nil {
		return nil, err
	}
	for _, t := range tokens {
		if t.Name == name && t.Member != member && now.Add(-skew).Before(t.Expiry) && !revoked.Voids(t) {
			return nil, fmt.Errorf("%q is %s: %w", name, t.Member, ErrName)
		}
	}
	if until, ok := revoked.Members[member]; ok && now.Unix() <= until.Unix() {
		now = until.Add(time.Second)
	}
	token, err := newToken(n.key, name, roles, member, now, now.Add(valid))
	if err != nil {
		return nil, err
	}
	tokens = slices.DeleteFunc(tokens, func(t *Token) bool {
		return t.Member == member && t.Name == name &&
			!t.NotBefore.After(token.NotBefore) && !t.Expiry.After(token.Expiry)
	})
	return token, writeLines(n.dir, fileMembers, append(tokens, token))
}

// revoke takes back all tokens that a member has, and returns the list of all whose
// tokens were taken back, which the members of the network are to be given.
func (n *Network) revoke(member uuid.UUID, now time.Time) (r *Revocation, err error) {
	err = n.dir.locked(func() error {
		var tokens []*Token
		if tokens, r, err = n.issued(); err != nil {
			return err
		}
		until := now
		if before := r.Members[member]; before.After(until) {
			until = before
		}
		for _, t := range tokens {
			if t.Member == member && t.NotBefore.After(until) {
				until = t.NotBefore
			}
		}
		r.Members[member] = until
		if r, err = newRevocation(n.key, r.Number+1, r.Members); err != nil {
			return err
		}
		return n.dir.adopt(r)
	})
	return r, err
}

// issued returns the tokens that no other renews, and what was revoked.
func (n *Network) issued() ([]*Token, *Revocation, error) {
	revoked, err := n.dir.revocation(publicOf(n.key))
	if err != nil {
		return nil, nil, err
	}
	tokens, err := read(n.dir, fileMembers, ofTrusted, func(text string) (tokens []*Token, err error) {
		for line := range strings.Lines(text) {
			token, err := tokenIn(line)
			if err != nil {
				return nil, err
			}
			tokens = append(tokens, token)
		}
		return tokens, nil
	})
	return tokens, revoked, err
}

// parseInvite returns what is in an invite, if it is right and valid now. There is no
// seed if the member has an identity.
func parseInvite(invite string, now time.Time) (seed []byte, token *Token, err error) {
	var m oncecard.Invite
	octets, err := unwritten(wordInvite, invite, MaxCard)
	if err == nil {
		err = decode(&m, octets, MaxCard)
	}
	if err == nil {
		token, err = ParseToken(m.Token, now)
	}
	if err == nil && len(m.Seed) > 0 &&
		(len(m.Seed) != ed25519.SeedSize || IDOf(publicOf(ed25519.NewKeyFromSeed(m.Seed))) != token.Member) {
		err = fmt.Errorf("%w: its identity is not the member", ErrMalformed)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("invite: %w", err)
	}
	return m.Seed, token, nil
}

// JoinAt is joinAt, now.
func JoinAt(dir, invite string) (*Identity, error) { return joinAt(dir, invite, time.Now()) }

// joinAt takes an invite: it makes the identity in a directory a member of a network, and
// makes the identity that the invite brings if there is none. A directory is for one
// identity in one network: errors are ErrStranger and ErrNetwork, ErrExists if a newer
// token is there, ErrRevoked if the token was taken back, and those of [Load] and
// [ParseToken].
func joinAt(dir, invite string, now time.Time) (*Identity, error) {
	seed, token, err := parseInvite(invite, now)
	if err != nil {
		return nil, err
	}
	own, err := Load(dir)
	if errors.Is(err, fs.ErrNotExist) && len(seed) > 0 {
		if err = directory(dir).establishKey("identity", seed); err == nil {
			own, err = Load(dir)
		}
	}
	if err != nil {
		return nil, err
	}
	if own.id != token.Member {
		return nil, fmt.Errorf("the invite is for %s, and %s has %s: %w", token.Member, dir, own.id, ErrStranger)
	}
	if err := own.dir.locked(func() error { return own.dir.join(token) }); err != nil {
		return nil, err
	}
	own.token = token
	return own, nil
}

// join keeps a token in place of an older one. The caller has the lock.
func (d directory) join(token *Token) error {
	old, err := d.token()
	if err != nil {
		return err
	}
	if old != nil && !old.Network.Equal(token.Network) {
		return ErrNetwork
	}
	if old != nil && old.NotBefore.After(token.NotBefore) {
		return fmt.Errorf("a newer token: %w", ErrExists)
	}
	revoked, err := d.revocation(token.Network)
	if err != nil {
		return err
	}
	if revoked.Voids(token) {
		return ErrRevoked
	}
	return d.write(fileToken, 0o600, []byte(token.line()))
}
