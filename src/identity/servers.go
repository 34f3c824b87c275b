package identity

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncecard"
)

// fileServers has the addresses of rendezvous servers, a line each, with their SECRETs: in
// the directory of a network those that its invites bring, in that of an identity those that
// its node stays with.
const fileServers = "servers"

// servers returns the addresses in a directory.
func (d directory) servers() ([]string, error) {
	return read(d, fileServers, ofSecret, func(text string) (list []string, err error) {
		list = strings.Fields(text)
		for _, address := range list {
			err = errors.Join(err, checkServer(address))
		}
		return list, err
	})
}

// keepServers replaces them. The caller has the lock.
func (d directory) keepServers(list []string) error {
	text := ""
	for _, address := range list {
		text += address + "\n"
	}
	return d.write(fileServers, 0o600, []byte(text))
}

// checkServer tells whether a text may be the address of a server and a network there, which
// is looked at closely by who connects there.
func checkServer(address string) error {
	public, secret, _ := strings.Cut(address, "#")
	if len(address) > oncecard.MaxInviteServersOctets || !strings.HasPrefix(public, "once://") || secret == "" || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return api.ErrRendezvous // which does not show what may be a secret
	}
	return nil
}

// Servers returns the addresses of the rendezvous servers that the identity's membership has
// brought.
func (i *Identity) Servers() ([]string, error) { return i.dir.servers() }

// SetServer has further invites bring a rendezvous server along, by its whole address; an
// empty one has them bring none any more.
func (n *Network) SetServer(address string) error {
	return n.dir.locked(func() error {
		list, err := n.dir.servers()
		switch {
		case address == "":
			list, err = nil, nil
		case err == nil && !slices.Contains(list, address):
			list, err = append(list, address), checkServer(address)
		}
		octets := 0
		for _, other := range list {
			octets += len(other)
		}
		switch {
		case err != nil:
			return err
		case len(list) > oncecard.MaxInviteServers, octets > oncecard.MaxInviteServersOctets:
			return fmt.Errorf("an invite has room for %d, of %d octets together: %w", oncecard.MaxInviteServers, oncecard.MaxInviteServersOctets, api.ErrRendezvous)
		}
		return n.dir.keepServers(list)
	})
}

// Servers returns the addresses that invites bring.
func (n *Network) Servers() ([]string, error) { return n.dir.servers() }
