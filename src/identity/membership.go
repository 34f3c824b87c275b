package identity

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncecard"
	"github.com/sjohnr/at-once/src/z85"
)

const fileToken = "token"

// membership is somebody's in a network, as a directory has it, which may come and be renewed
// while it is used. All methods may be called from any goroutine.
type membership struct {
	dir    directory
	member uuid.UUID

	mu    sync.Mutex
	token *Token // nil if it is in no network
	roll  *Roll  // of that; nil if it is in none
}

// Token returns what makes the identity a member of a network, nil if nothing does.
// It may have expired.
func (m *membership) Token() *Token {
	token, _ := m.Membership()
	return token
}

// Roll returns what the identity's network says of its members, nil if it is in none.
func (m *membership) Roll() *Roll {
	_, roll := m.Membership()
	return roll
}

// Membership returns the identity's token and roll: both, or neither.
func (m *membership) Membership() (*Token, *Roll) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.token, m.roll
}

// What the class once_identity of the API tells of a membership; api/class says what it is.

func (m *membership) Network() string        { return z85.Encode(m.Token().orNone().Network) }
func (m *membership) MemberName() string     { return m.Token().orNone().Name }
func (m *membership) Roles() []string        { return m.Token().orNone().Roles }
func (m *membership) MemberUntil() time.Time { return m.Token().orNone().Expiry }

func (m *membership) Revoked() bool {
	token, roll := m.Membership()
	return token != nil && roll.Voids(token)
}

// orNone returns the token, or one that says nothing in place of nil.
func (t *Token) orNone() *Token {
	if t != nil {
		return t
	}
	return new(Token)
}

// belong reads what makes the identity a member: its token, or a later one in the roll. A
// roll that could not be kept goes on to count.
func (m *membership) belong() error {
	if m.dir == "" {
		return nil
	}
	token, err := m.dir.token()
	if err != nil {
		return err
	}
	if token != nil && token.Member != m.member {
		return fmt.Errorf("%s is %w", m.dir.path(fileToken), ErrStranger)
	}
	roll, err := m.dir.roll()
	if err != nil || token == nil {
		return err
	}
	if roll == nil {
		roll = noRoll(token.Network)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if last := m.roll; last != nil {
		if later, err := last.Succeeds(roll, m.member); later && err == nil {
			roll = last
		}
	}
	if m.token, err = roll.token(token); err != nil {
		return fmt.Errorf("%s: %w", m.dir.path(fileRoll), err)
	}
	m.roll = roll
	return nil
}

// token returns the token in the directory, nil if there is none. It may have expired.
func (d directory) token() (*Token, error) { return read(d, fileToken, ofTrusted, tokenIn) }

// token returns the token of a member that counts, where it has one that may be older.
func (r *Roll) token(own *Token) (*Token, error) {
	latest, same := r.Tokens[own.Member], r.Network.Equal(own.Network)
	switch {
	case !same && (latest == nil || !r.keys.have(own.Network)):
		return nil, ErrNetwork
	case !same || latest != nil && latest.later(own):
		return latest, nil
	}
	return own, nil
}

// Adopt takes in a roll of the identity's network.
func (m *membership) Adopt(text string) error {
	if m.dir == "" {
		return api.ErrNoDirectory
	}
	r, err := RollIn(text)
	if err == nil {
		_, err = m.Take(r)
	}
	return err
}

// Take takes in a roll of the identity's network if it is later than the one that it
// has, and tells whether it is. Errors are those of [Roll.Succeeds]. After any other beside
// true the roll counts, but was not kept.
func (m *membership) Take(r *Roll) (taken bool, err error) {
	judge := func() error {
		own := m.Roll()
		if own == nil {
			return fmt.Errorf("roll: %w", ErrNetwork)
		}
		taken, err = r.Succeeds(own, m.member)
		return err
	}
	err = m.dir.locked(func() error {
		if err := errors.Join(m.belong(), judge()); err != nil || !taken {
			return err
		}
		return errors.Join(m.dir.write(fileRoll, 0o644, []byte(r.Text()+"\n")), m.follow(r))
	})
	if unkept := err; !taken && readOnly(unkept) && judge() == nil && taken {
		err = errors.Join(unkept, m.follow(r))
	}
	return taken, err
}

// follow has a roll count from now on.
func (m *membership) follow(r *Roll) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	token, err := r.token(m.token)
	if err == nil {
		m.token, m.roll = token, r
	}
	return err
}

// parseInvite returns what is in an invite, if it is right and valid now. There is no
// seed if the member has an identity.
func parseInvite(invite string, now time.Time) (m oncecard.Invite, token *Token, err error) {
	octets, err := unwritten(wordInvite, invite, oncecard.MaxInvite)
	if err == nil {
		err = decode(&m, octets, oncecard.MaxInvite)
	}
	if err == nil {
		token, err = ParseToken(m.Token, now)
	}
	for _, address := range m.Servers {
		if why := checkServer(address); why != nil {
			err = errors.Join(err, fmt.Errorf("%w: %w", ErrMalformed, why))
		}
	}
	if err == nil && len(m.Seed) > 0 &&
		(len(m.Seed) != ed25519.SeedSize || memberOf(m.Seed) != token.Member) {
		err = fmt.Errorf("%w: its identity is not the member", ErrMalformed)
	}
	if err != nil {
		return m, nil, fmt.Errorf("invite: %w", err)
	}
	return m, token, nil
}

// JoinAt is joinAt, now.
func JoinAt(dir, invite string) (*Identity, error) { return joinAt(dir, invite, time.Now()) }

// joinAt takes an invite: it makes the identity in a directory a member of a network, and
// makes the identity that the invite brings if there is none. A directory is for one
// identity in one network: errors are ErrStranger and ErrNetwork, ErrExists if a newer
// token is there, ErrRevoked if the token was taken back, and those of [Load] and
// [ParseToken].
func joinAt(dir, invite string, now time.Time) (*Identity, error) {
	m, token, err := parseInvite(invite, now)
	if err != nil {
		return nil, err
	}
	own, err := Load(dir)
	if errors.Is(err, fs.ErrNotExist) && len(m.Seed) > 0 {
		if err = directory(dir).establishKey("identity", m.Seed); err == nil {
			own, err = Load(dir)
		}
	}
	if err != nil {
		return nil, err
	}
	if own.id != token.Member {
		return nil, fmt.Errorf("the invite is for %s, and %s has %s: %w", token.Member, dir, own.id, ErrStranger)
	}
	if err := own.dir.locked(func() error { return own.dir.join(token, m.Servers) }); err != nil {
		return nil, err
	}
	return own, own.belong()
}

// join keeps a token in place of an older one, and the servers that have come with it, if
// there are any, in place of others. The caller has the lock.
func (d directory) join(token *Token, servers []string) error {
	old, err := d.token()
	if err != nil {
		return err
	}
	if old != nil && !old.Network.Equal(token.Network) {
		return fmt.Errorf("%w, or remove %s and %s to leave that", ErrNetwork, d.path(fileToken), d.path(fileRoll))
	}
	if old != nil && old.NotBefore.After(token.NotBefore) {
		return fmt.Errorf("a newer token: %w", ErrExists)
	}
	roll, err := d.roll()
	if err != nil {
		return err
	}
	if roll != nil && roll.Voids(token) {
		return ErrRevoked
	}
	if len(servers) > 0 {
		if err := d.keepServers(servers); err != nil {
			return err
		}
	}
	return d.write(fileToken, 0o600, []byte(token.line()))
}
