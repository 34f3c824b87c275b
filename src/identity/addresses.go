package identity

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

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
