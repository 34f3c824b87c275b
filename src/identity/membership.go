package identity

import (
	"errors"
	"fmt"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/z85"
)

// Token returns what makes the identity a member of a network, nil if nothing does.
// It may have expired.
func (i *Identity) Token() *Token {
	token, _ := i.Membership()
	return token
}

// Roll returns what the identity's network says of its members, nil if it is in none.
func (i *Identity) Roll() *Roll {
	_, roll := i.Membership()
	return roll
}

// Membership returns the identity's token and roll: both, or neither.
func (i *Identity) Membership() (*Token, *Roll) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.token, i.roll
}

// What the class once_identity of the API tells of a membership; api/class says what it is.

func (i *Identity) Network() string        { return z85.Encode(i.Token().orNone().Network) }
func (i *Identity) MemberName() string     { return i.Token().orNone().Name }
func (i *Identity) Roles() []string        { return i.Token().orNone().Roles }
func (i *Identity) MemberUntil() time.Time { return i.Token().orNone().Expiry }

func (i *Identity) Revoked() bool {
	token, roll := i.Membership()
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
func (i *Identity) belong() error {
	if i.dir == "" {
		return nil
	}
	token, err := i.dir.token()
	if err != nil {
		return err
	}
	if token != nil && token.Member != i.id {
		return fmt.Errorf("%s is %w", i.dir.path(fileToken), ErrStranger)
	}
	roll, err := i.dir.roll()
	if err != nil || token == nil {
		return err
	}
	if roll == nil {
		roll = noRoll(token.Network)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if last := i.roll; last != nil {
		if later, err := last.Succeeds(roll, i.id); later && err == nil {
			roll = last
		}
	}
	if i.token, err = roll.token(token); err != nil {
		return fmt.Errorf("%s: %w", i.dir.path(fileRoll), err)
	}
	i.roll = roll
	return nil
}

// token returns the token of a member that counts, where it has one that may be older.
func (r *Roll) token(own *Token) (*Token, error) {
	latest, same := r.Tokens[own.Member], r.Network.Equal(own.Network)
	switch {
	case !same && (latest == nil || !r.had(own.Network)):
		return nil, ErrNetwork
	case !same || latest != nil && latest.later(own):
		return latest, nil
	}
	return own, nil
}

// Adopt takes in a roll of the identity's network.
func (i *Identity) Adopt(text string) error {
	if i.dir == "" {
		return api.ErrNoDirectory
	}
	r, err := RollIn(text)
	if err == nil {
		_, err = i.Take(r)
	}
	return err
}

// Take takes in a roll of the identity's network if it is later than the one that it
// has, and tells whether it is. Errors are those of [Roll.Succeeds]. After any other beside
// true the roll counts, but was not kept.
func (i *Identity) Take(r *Roll) (taken bool, err error) {
	judge := func() error {
		own := i.Roll()
		if own == nil {
			return fmt.Errorf("roll: %w", ErrNetwork)
		}
		taken, err = r.Succeeds(own, i.id)
		return err
	}
	err = i.dir.locked(func() error {
		if err := errors.Join(i.belong(), judge()); err != nil || !taken {
			return err
		}
		return errors.Join(i.dir.keepRoll(r), i.follow(r))
	})
	if !taken && readOnly(err) && judge() == nil && taken {
		err = errors.Join(err, i.follow(r))
	}
	return taken, err
}

// follow has a roll count from now on.
func (i *Identity) follow(r *Roll) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	token, err := r.token(i.token)
	if err == nil {
		i.token, i.roll = token, r
	}
	return err
}
