package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/once"
)

const (
	shownDigits = 8 // of an id, where that tells it from others
	leastDigits = 4 // of an id that are taken for it
	shownNames  = 5 // of those among whom one has to choose
)

// known is somebody who can be named.
type known struct {
	name string
	id   uuid.UUID
	at   string // where it is, or empty
}

func knownPeer(peer once.Peer) known {
	return known{peer.Name(), peer.UUID(), host(peer.Endpoint())}
}

func knownPeers(peers []once.Peer) []known {
	all := make([]known, len(peers))
	for i, peer := range peers {
		all[i] = knownPeer(peer)
	}
	return all
}

// shown is a name as it is shown: two that look the same are the same.
func (k known) shown() string { return cut(k.name, cellWidth) }

// digits returns as many digits of the id as tell it from the others' ids.
func (k known) digits(among []known) string {
	id, n := k.id.String(), shownDigits
	for _, other := range among {
		if [shownDigits / 2]byte(other.id[:]) != [shownDigits / 2]byte(k.id[:]) {
			continue
		}
		for other.id != k.id && strings.HasPrefix(other.id.String(), id[:n]) {
			n++
		}
	}
	return id[:n]
}

// withDigits matches what a label with digits looks like, which a name may look like too.
var withDigits = regexp.MustCompile(`^(.*)\(([0-9a-f-]+)\)$`)

// label is a name as it is shown, with digits of the id where the name alone could be
// taken for another's, for a label or for an id.
func (k known) label(among []known) string {
	name := k.shown()
	alike := func(other known) bool {
		return other.id != k.id && (other.shown() == name || isPrefixOf(name, other.id))
	}
	_, noID := uuid.Parse(name)
	if name != "" && noID != nil && !withDigits.MatchString(name) && !slices.ContainsFunc(among, alike) {
		return name
	}
	return name + "(" + k.digits(among) + ")"
}

// goesBy tells whether somebody can be named so: by name or label, or by the first digits of
// the id.
func (k known) goesBy(who string) bool {
	if who == k.name || who == k.shown() && who != "" || isPrefixOf(who, k.id) {
		return true
	}
	parts := withDigits.FindStringSubmatch(who)
	return parts != nil && (parts[1] == k.name || parts[1] == k.shown()) && isPrefixOf(parts[2], k.id)
}

func isPrefixOf(digits string, id uuid.UUID) bool {
	return len(digits) >= leastDigits && strings.HasPrefix(id.String(), strings.ToLower(digits))
}

// resolve returns who is named so: whoever has the id if it is one, whatever the names of
// others. That may be several, each once.
func resolve(who string, among []known) (found []known) {
	id, err := uuid.Parse(who)
	for _, k := range among {
		if err == nil && k.id == id || err != nil && k.goesBy(who) {
			found = append(found, k)
		}
	}
	return found
}

// oneOf returns the name or the id of the one who is meant; what is a name or an id already, or
// means nobody, as it is.
func oneOf(all []known, called string) (string, error) {
	found := resolve(called, all)
	_, noID := uuid.Parse(called)
	named := func(k known) bool { return k.name == called }
	switch {
	case len(found) == 0, noID == nil, !slices.ContainsFunc(found, func(k known) bool { return !named(k) }):
		return called, nil
	case slices.ContainsFunc(found, func(k known) bool { return k.id != found[0].id }):
		return "", ambiguous(called, found)
	case len(found) == 1:
		return found[0].name, nil
	}
	return found[0].id.String(), nil
}

// ambiguous says among whom one has to choose.
func ambiguous(who string, found []known) error {
	var list []string
	for _, k := range found[:min(len(found), shownNames)] {
		list = append(list, strings.TrimSpace(fmt.Sprintf("%s is %s %s", k.digits(found), k.shown(), k.at)))
	}
	if more := len(found) - len(list); more > 0 {
		list = append(list, fmt.Sprintf("and %d more", more))
	}
	return fmt.Errorf("%d peers are meant by %q: say which by its id: %s", len(found), cut(who, cellWidth), strings.Join(list, ", "))
}

// firstWord parts the first word of a line from the rest. A word with blanks is in quotes.
func firstWord(line string) (word, rest string, err error) {
	switch {
	case strings.HasPrefix(line, `"`), strings.HasPrefix(line, `'`):
		var closed bool
		if word, rest, closed = unquote(line); !closed {
			return "", "", errors.New("a quote is not closed")
		}
		if rest != "" && rest[0] != ' ' {
			return "", "", errors.New("leave a blank after the closing quote")
		}
	default:
		word, rest, _ = strings.Cut(line, " ")
	}
	return word, strings.TrimSpace(rest), nil
}

// unquote returns what is in the quotes that a line begins with, and what follows them.
// Between double quotes there may be escape sequences, as clean text has them.
func unquote(line string) (word, rest string, closed bool) {
	if quoted, err := strconv.QuotedPrefix(line); err == nil && line[0] == '"' {
		word, err = strconv.Unquote(quoted)
		return word, line[len(quoted):], err == nil
	}
	word, rest, closed = strings.Cut(line[1:], line[:1])
	return word, rest, closed
}

// quote returns a word as firstWord takes it.
func quote(word string) string {
	if clean(word) == word && word != "" && !strings.ContainsAny(word, ` "'\`) {
		return word
	}
	return strconv.Quote(word)
}

// host returns an endpoint as people know it: an address and a port, if it has them.
func host(endpoint string) string {
	if strings.HasPrefix(endpoint, "once://") { // and the id again
		return "-"
	}
	return strings.TrimPrefix(keyless(endpoint), "tcp://")
}

// hostsOf returns what a person calls a server by, of its address.
func hostsOf(address string) string {
	hosts, _, _ := strings.Cut(strings.TrimPrefix(address, "once://"), "/")
	return hosts
}

// keyless returns an endpoint without the public key that may follow it.
func keyless(endpoint string) string {
	address, _, _ := strings.Cut(endpoint, "|")
	return address
}

// peerNames returns how the peers of a node can be named, sorted.
func peerNames(node *once.Node) []string {
	all := knownPeers(node.Peers())
	names := make([]string, len(all))
	for i, k := range all {
		if names[i] = k.label(all); names[i] == k.shown() {
			names[i] = k.name
		}
	}
	slices.Sort(names)
	return names
}
