package identity

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncecard"
	"github.com/sjohnr/at-once/src/check"
	"github.com/sjohnr/at-once/src/wire"
	"github.com/sjohnr/at-once/src/z85"
)

// The files of a network, beside network.key.
const (
	fileMembers = "members"
	fileMoved   = "moved"
)

// Network is the key that makes members of a network, in a directory of its own. All
// methods may be called from any goroutine.
type Network struct {
	dir directory
	key ed25519.PrivateKey
}

// OpenNetwork returns the network in a directory, and makes both if they are missing.
func OpenNetwork(dir string) (*Network, error) { return openNetwork(dir, newSeed()) }

// openNetwork is OpenNetwork with the key that is made if there is none.
func openNetwork(dir string, seed []byte) (*Network, error) {
	if err := directory(dir).establishKey("network", seed); err != nil {
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
	var limit *wire.Error
	if errors.As(err, &limit) && limit.Err == wire.ErrLimit { // the name is within its own
		return "", &check.Error{
			Method: "Invite", Argument: "roles", Given: fmt.Sprint(limit.Got),
			Allowed: fmt.Sprintf("at most %d roles of at most 64 octets each, and of %d together,", oncecard.MaxDetailsRoles, oncecard.MaxDetailsRolesOctets),
		}
	}
	return invite, err
}

// InviteAgain is Invite for a member that there is.
func (n *Network) InviteAgain(nameOrID string, days int) (invite string, err error) {
	now := time.Now()
	err = n.change(now, func(b *book) error {
		t, err := b.member(nameOrID)
		if err == nil {
			invite, _, err = b.invite(t.Name, t.Roles, t.Member, b.seeds[t.Member], time.Duration(days)*24*time.Hour, now)
		}
		return err
	})
	return invite, err
}

// Revoke revokes the member with a name or an id, who knows the SECRETs that the network has at
// its servers: each gets another one.
func (n *Network) Revoke(nameOrID string) error {
	now := time.Now()
	return n.change(now, func(b *book) error {
		id, notID := uuid.Parse(nameOrID)
		if t, err := b.member(nameOrID); err == nil {
			id = t.Member
		} else if notID != nil {
			return err
		}
		b.revoke(id, now)
		b.servers = b.servers.redrawn()
		return nil
	})
}

// Rename gives a member another name.
func (n *Network) Rename(nameOrID, name string) error {
	now := time.Now()
	return n.change(now, func(b *book) error {
		t, err := b.member(nameOrID)
		if err != nil {
			return err
		}
		if !now.After(t.NotBefore) {
			now = t.NotBefore.Add(time.Second)
		}
		_, err = b.vouch(name, t.Roles, t.Member, t.Expiry.Sub(now), now)
		return err
	})
}

// Taken forgets the secret in the invite of a member, which has it.
func (n *Network) Taken(member uuid.UUID) error {
	return n.with(func(b *book) error {
		if b.seeds[member] == nil {
			return nil
		}
		delete(b.seeds, member)
		return b.save(b.latest)
	})
}

// Roll returns the network's latest roll, empty if there is none yet. It fails if the
// network has moved: then that of the new key counts.
func (n *Network) Roll() (string, error) {
	if err := n.stays(); err != nil {
		return "", err
	}
	b, err := n.read()
	if err != nil || b.latest.Number == 0 {
		return "", err
	}
	return b.latest.Text(), nil
}

// Adopt takes in what a roll of the network says that the directory does not: it was
// restored, or is a copy. If that or the latest roll says all that there is, it is kept as it
// is; else the next one does.
func (n *Network) Adopt(text string) error {
	r, err := RollIn(text)
	if err != nil {
		return err
	}
	if !r.Network.Equal(publicOf(n.key)) {
		return fmt.Errorf("roll: %w", ErrNetwork)
	}
	return n.with(func(b *book) error {
		for _, t := range r.Tokens {
			b.add(t)
		}
		for id, until := range r.Revoked {
			if b.next.Revoked[id].Before(until) {
				b.next.Revoked[id] = until
			}
		}
		b.next.Number = max(b.next.Number, r.Number)
		now, latest := time.Now(), b.latest
		if r.rank.Compare(latest.rank) > 0 {
			latest = r
		}
		if latest == r && len(r.Vouched) > 0 && !bytes.Equal(r.Vouched, vouched(b.servers.now)) {
			b.servers = b.servers.redrawn() // a SECRET that was replaced since is not to count again
		}
		due := b.due(now)
		if !bytes.Equal(due.Vouched, latest.Vouched) || !slices.Equal(due.pairs(), latest.pairs()) || !slices.Equal(due.texts((*Token).Octets), latest.texts((*Token).Octets)) {
			return b.publish(now)
		}
		return b.save(latest)
	})
}

// Member is one that was invited to a network.
type Member struct {
	*Token
	voided, pending bool
}

func (m *Member) UUID() uuid.UUID        { return m.Token.Member }
func (m *Member) Name() string           { return m.Token.Name }
func (m *Member) Roles() []string        { return m.Token.Roles }
func (m *Member) MemberUntil() time.Time { return m.Expiry }
func (m *Member) Revoked() bool          { return m.voided }
func (m *Member) Pending() bool          { return m.pending }

// Members returns who was invited, each with the latest token, by name.
func (n *Network) Members() ([]*Member, error) {
	b, err := n.read()
	if err != nil {
		return nil, err
	}
	var members []*Member
	for _, t := range b.next.Tokens {
		members = append(members, &Member{t, b.next.Voids(t), b.seeds[t.Member] != nil})
	}
	slices.SortFunc(members, func(a, b *Member) int {
		return cmp.Or(cmp.Compare(a.Name(), b.Name()), bytes.Compare(a.Token.Member[:], b.Token.Member[:]))
	})
	return members, nil
}

// SetServer has further invites bring a rendezvous server along, by its whole address; an
// empty one has them bring none any more.
func (n *Network) SetServer(address string) error {
	return n.with(func(b *book) error {
		switch {
		case address == "":
			b.servers = b.servers.replaced(nil)
		case slices.Contains(b.servers.now, address):
			return nil
		case slices.Contains(b.servers.former, address) && b.servers.successor(address) != "":
			return nil // who was given it before a revocation gives it again
		case slices.Contains(b.servers.former, address):
			return fmt.Errorf("who was revoked knows that SECRET: give the address with another one: %w", api.ErrRendezvous)
		default:
			list := append(slices.Clone(b.servers.now), address)
			if err := errors.Join(checkServer(address), fit(list)); err != nil {
				return err
			}
			b.servers.now = slices.Sorted(slices.Values(list))
		}
		return b.save(b.latest)
	})
}

// Servers returns the addresses that invites bring.
func (n *Network) Servers() ([]string, error) {
	b, err := n.read()
	if err != nil {
		return nil, err
	}
	return b.servers.now, nil
}

// invite returns an invite that makes a member of the network for so long, and the
// token in it. Without a member's id it brings a new identity, and is a secret until
// it is taken. The error is ErrName if another member has the name.
func (n *Network) invite(name string, roles []string, member uuid.UUID, valid time.Duration, now time.Time) (text string, token *Token, err error) {
	var seed []byte
	if member == uuid.Nil {
		seed = newSeed()
		member = memberOf(seed)
	} else if !Owned(member) {
		return "", nil, fmt.Errorf("%s is not the id of an identity: %w", member, ErrStranger)
	}
	err = n.change(now, func(b *book) error {
		text, token, err = b.invite(name, roles, member, seed, valid, now)
		return err
	})
	return text, token, err
}
