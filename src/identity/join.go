package identity

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncecard"
)

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
		(len(m.Seed) != ed25519.SeedSize || memberOf(m.Seed) != token.Member) {
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
	return own, own.belong()
}

// join keeps a token in place of an older one. The caller has the lock.
func (d directory) join(token *Token) error {
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
	return d.write(fileToken, 0o600, []byte(token.line()))
}
