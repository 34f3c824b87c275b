package identity

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// servers are where somebody's node is found, as its membership has brought it. All methods may
// be called from any goroutine.
type servers struct {
	of     *membership
	errand []string // former addresses by which it finds those to whom it brings a roll

	mu   sync.Mutex
	list *addresses // if no directory keeps them; nil for none
}

// all returns the addresses that there are: in memory those that no directory keeps.
func (s *servers) all() (addresses, error) {
	s.mu.Lock()
	own := s.list
	s.mu.Unlock()
	if own != nil {
		return *own, nil
	}
	return s.of.dir.servers()
}

// Servers returns the addresses of the rendezvous servers that the identity's membership has
// brought.
func (s *servers) Servers() ([]string, error) {
	a, err := s.all()
	return a.now, err
}

// Meets returns the addresses by which the identity's node is found, and finds others: of a
// courier the former ones, too, so that it finds those who know no other.
func (s *servers) Meets() ([]string, error) {
	a, err := s.all()
	return slices.Concat(a.now, s.errand), err
}

// FormerServers returns those that they have replaced, which have another SECRET.
func (s *servers) FormerServers() ([]string, error) {
	a, err := s.all()
	return a.former, err
}

// Listed returns the addresses that the identity's roll vouches for, if it has them. Else it
// tells whether the identity lacks them: they are for it, and it was not invited since.
func (s *servers) Listed() (list []string, lacks bool, err error) {
	token, roll := s.of.Membership()
	if roll == nil || len(roll.Vouched) == 0 {
		return nil, false, nil
	}
	if list, err = s.Servers(); err == nil && bytes.Equal(vouched(list), roll.Vouched) {
		return list, false, nil
	}
	return nil, token.Is(roll.Tokens[s.of.member]), err
}

// TakeServers keeps addresses that the identity's roll vouches for. Errors are ErrForged and
// ErrMalformed, or say that they cannot be kept: if the directory cannot be changed they count
// all the same. [Identity.Listed] tells.
func (s *servers) TakeServers(list []string) error {
	err := fit(list)
	for _, address := range list {
		err = errors.Join(err, checkServer(address))
	}
	if err != nil {
		return fmt.Errorf("servers: %w: %w", ErrMalformed, err)
	}
	err = s.of.dir.locked(func() error {
		if err := s.of.belong(); err != nil {
			return err
		}
		if roll := s.of.Roll(); roll == nil || len(list) == 0 || !bytes.Equal(vouched(list), roll.Vouched) {
			return fmt.Errorf("servers: %w: the network's roll does not vouch for them", ErrForged)
		}
		return s.of.dir.keepServers(list)
	})
	switch {
	case errors.Is(err, ErrForged), err == nil && s.of.dir != "":
		return err
	case err == nil || readOnly(err):
		return errors.Join(err, s.remember(list))
	}
	return err
}

// remember has addresses count that no directory keeps.
func (s *servers) remember(list []string) error {
	roll := s.of.Roll()
	last, err := s.all()
	if err != nil {
		return err
	}
	if roll == nil || !bytes.Equal(vouched(list), roll.Vouched) {
		return fmt.Errorf("servers: %w: the network's roll does not vouch for them", ErrForged)
	}
	next := last.replaced(list)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = &next
	return nil
}
