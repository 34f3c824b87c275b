package identity

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncecard"
)

// fileServers has the addresses in the directory of an identity: of those of a network its
// members' file has them.
const fileServers = "servers"

// addresses are those of a network's rendezvous servers, with their SECRETs; see
// api/protocol/once_card.xml.
type addresses struct {
	now    []string // those that count
	former []string // that had another SECRET at the same server, the latest first
}

// wordFormer begins the line of a former address.
const wordFormer = "former "

// isServer tells whether a line of a file has an address.
func isServer(line string) bool {
	return strings.HasPrefix(strings.TrimPrefix(line, wordFormer), schemeServer)
}

const schemeServer = "once://"

// add adds what a line has.
func (a *addresses) add(line string) error {
	if address, former := strings.CutPrefix(line, wordFormer); former {
		a.former = append(a.former, address)
		return checkServer(address)
	}
	a.now = append(a.now, line)
	return checkServer(line)
}

// text returns the lines.
func (a *addresses) text() string {
	text := ""
	for _, address := range a.now {
		text += address + "\n"
	}
	for _, address := range a.former {
		text += wordFormer + address + "\n"
	}
	return text
}

// replaced returns addresses with others in place of those that count. What is kept of former
// ones is bounded as those that count are.
func (a addresses) replaced(by []string) addresses {
	next := addresses{now: slices.Sorted(slices.Values(by))}
	for _, address := range slices.Concat(a.now, a.former) {
		again := slices.Contains(next.now, address) || slices.Contains(next.former, address)
		if !again && len(next.former) < oncecard.MaxInviteServers && (slices.Contains(a.former, address) || next.successor(address) != "") {
			next.former = append(next.former, address)
		}
	}
	return next
}

// successor returns the address that counts of the server that another is of, or nothing.
func (a *addresses) successor(address string) string {
	public, _, _ := strings.Cut(address, "#")
	for _, other := range a.now {
		if strings.HasPrefix(other, public+"#") {
			return other
		}
	}
	return ""
}

// redrawn returns addresses with another SECRET each.
func (a addresses) redrawn() addresses {
	var list []string
	for _, address := range a.now {
		public, _, _ := strings.Cut(address, "#")
		list = append(list, public+"#"+Base64(newSeed()))
	}
	return a.replaced(list)
}

// vouched returns the digest of addresses that a roll has, nil for none.
func vouched(list []string) []byte {
	if len(list) == 0 {
		return nil
	}
	hash := sha256.New()
	hash.Write([]byte("once_servers 1\x00"))
	for _, address := range slices.Sorted(slices.Values(list)) {
		hash.Write([]byte(address + "\n"))
	}
	return hash.Sum(nil)
}

// checkServer tells whether a text may be the address of a server and a network there, which
// is looked at closely by who connects there.
func checkServer(address string) error {
	public, secret, _ := strings.Cut(address, "#")
	if len(address) > oncecard.MaxInviteServersOctets || !strings.HasPrefix(public, schemeServer) || secret == "" || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return api.ErrRendezvous // which does not show what may be a secret
	}
	return nil
}

// fit fails if an invite has no room for addresses.
func fit(list []string) error {
	octets := 0
	for _, address := range list {
		octets += len(address)
	}
	if len(list) > oncecard.MaxInviteServers || octets > oncecard.MaxInviteServersOctets {
		return fmt.Errorf("an invite has room for %d, of %d octets together: %w", oncecard.MaxInviteServers, oncecard.MaxInviteServersOctets, api.ErrRendezvous)
	}
	return nil
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

// Inform has the identity in a directory, which is a member, keep the network's roll, and the
// addresses that it vouches for, and returns it as one that brings them to the others. One whose
// roll is later, or contradicts it, is left as it is.
func (n *Network) Inform(dir string) (*Identity, error) {
	b, err := n.read()
	if err != nil {
		return nil, err
	}
	who, err := Load(dir)
	if err != nil {
		return nil, err
	}
	who.errand = b.servers.former
	if _, err = who.Take(b.latest); errors.Is(err, ErrForgets) {
		return who, nil // what the members know is asked of them
	} else if err != nil {
		return nil, err
	}
	_, lacks, err := who.Listed()
	if err == nil && lacks && bytes.Equal(vouched(b.servers.now), who.Roll().Vouched) {
		err = who.TakeServers(b.servers.now)
	}
	if err != nil {
		return nil, err
	}
	return who, nil
}

// servers returns the addresses in the directory of an identity.
func (d directory) servers() (addresses, error) {
	return read(d, fileServers, ofSecret, func(text string) (a addresses, err error) {
		for line := range strings.Lines(text) {
			err = errors.Join(err, a.add(strings.TrimSuffix(line, "\n")))
		}
		return a, err
	})
}

// keepServers replaces them by what counts from now on. The caller has the lock.
func (d directory) keepServers(list []string) error {
	last, err := d.servers()
	if err != nil {
		return err
	}
	next := last.replaced(list)
	return d.write(fileServers, 0o600, []byte(next.text()))
}

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
