package identity

import (
	"cmp"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/z85"
)

// What the classes once_identity and once_network of the API have beyond the rest of
// the package; api/class says what it does.

func (i *Identity) UUID() uuid.UUID     { return i.id }
func (i *Identity) PublicKey() string   { return z85.Encode(publicOf(i.key)) }
func (i *Identity) Directory() string   { return string(i.dir) }
func (i *Identity) Certificate() string { return string(certificate(i.transport.PublicKey())) }

// JoinAt is joinAt, now.
func JoinAt(dir, invite string) (*Identity, error) { return joinAt(dir, invite, time.Now()) }

// membership returns the identity's token, or one that says nothing.
func (i *Identity) membership() *Token {
	if i.token == nil {
		return new(Token)
	}
	return i.token
}

func (i *Identity) Network() string        { return z85.Encode(i.membership().Network) }
func (i *Identity) MemberName() string     { return i.membership().Name }
func (i *Identity) Roles() []string        { return i.membership().Roles }
func (i *Identity) MemberUntil() time.Time { return i.membership().Expiry }

// Pins returns the names that are pinned in the identity's directory, each with its id.
func (i *Identity) Pins() (map[string]string, error) {
	if i.dir == "" {
		return nil, api.ErrNoDirectory
	}
	pins, err := i.dir.pins()
	ids := make(map[string]string, len(pins))
	for name, pin := range pins {
		ids[name] = pin.ID.String()
	}
	return ids, err
}

func (i *Identity) Revoke(list string) error {
	if i.dir == "" {
		return api.ErrNoDirectory
	}
	r, err := revocationIn(list)
	if err == nil {
		err = i.adopt(r)
	}
	return err
}

func (n *Network) PublicKey() string { return z85.Encode(n.Key()) }

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
	r, err := n.dir.revocation(n.Key())
	if err != nil || r.Number == 0 {
		return "", err
	}
	return r.Text(), nil
}

func (n *Network) Members() (map[string]string, error) {
	tokens, err := n.members()
	ids := make(map[string]string, len(tokens))
	for _, t := range tokens {
		ids[t.Name] = t.Member.String()
	}
	return ids, err
}
