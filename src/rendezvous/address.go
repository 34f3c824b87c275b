// Package rendezvous is what both sides of a rendezvous go by: the address of a server,
// the keys of a network, and what nodes leave at a server for each other, which it can
// neither make nor read. The messages are modelled in api/protocol/once_record.xml.
//
// Who has a network's SECRET can open the INSIDE of all its records, test names of groups
// against tags, and come in where the network is open. Who has not, as the server, sees
// ids, addresses, times, sizes, and which tags coincide; of members also what is in their
// tokens and roll, as their names.
//
// Who was a member knows SECRET. A revocation has the others go by another one, which none of
// them tells a revoked one, nor anybody in the clear; see api/protocol/once_card.xml. Until a
// member has it, and for as long as a lease lasts from then on, who knows the old one sees it at
// the server, unless only members come in there and the server turns away whom they have revoked.
// Then all under the old one is gone; what was seen before stays known.
//
// Programs import bindings/go/once: what is here may change at any time.
package rendezvous

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/src/identity"
)

// Port is where servers listen unless they are told otherwise.
const Port = 5671

// ErrAddress says that a text is no address of a server.
var ErrAddress = errors.New("want once://HOST[:PORT][,HOST...]/?key=KEY#SECRET")

const scheme = "once://"

// Address is where a server is, and which network is meant there.
type Address struct {
	Hosts  []string // HOST:PORT each, at least one
	Key    [32]byte // public key of CURVE
	WSS    string   // URL by which the server is reached over HTTPS, or nothing
	Secret Secret   // the network's; zeros for none
}

// IsAddress tells whether a text means to be the address of a server.
func IsAddress(text string) bool { return strings.HasPrefix(text, scheme) }

// Bare returns what of a text that may be an address can be shown: the hosts. What is no
// address may be a SECRET.
func Bare(text string) string {
	if !IsAddress(text) {
		return text[:min(len(text), len(scheme))] + "..."
	}
	if end := strings.IndexFunc(text, func(r rune) bool { return strings.ContainsRune("?#% \t\n", r) }); end >= 0 {
		return text[:end] + "..."
	}
	return text
}

// ParseAddress is the inverse of String. What it says of a text never has SECRET in it.
func ParseAddress(text string) (a Address, err error) {
	public, secret, secretive := strings.Cut(text, "#")
	bare, query, _ := strings.Cut(public, "?")
	fault := func(what string) (Address, error) {
		return Address{}, fmt.Errorf("%.100q: %w: %s", Bare(text), ErrAddress, what)
	}
	hosts, ours := strings.CutPrefix(strings.TrimSuffix(bare, "/"), scheme)
	values, err := url.ParseQuery(query)
	switch {
	case !ours || err != nil:
		return fault("it is not of that form")
	case len(text) > oncemsg.MaxAddress:
		return fault(fmt.Sprintf("it is longer than %d octets", oncemsg.MaxAddress))
	}
	for name, list := range values {
		if name != "key" && name != "wss" || len(list) != 1 {
			return fault(fmt.Sprintf("%.20q is unknown, or there twice", name))
		}
	}
	for _, host := range strings.Split(hosts, ",") {
		at, ok := hostOf(host)
		if !ok || len(a.Hosts) == oncemsg.MaxServers {
			return fault(fmt.Sprintf("%.100q is no host, or there are more than %d", host, oncemsg.MaxServers))
		}
		a.Hosts = append(a.Hosts, at)
	}
	if !key32(values.Get("key"), a.Key[:]) {
		return fault("the key is missing, or cut off")
	}
	if secretive && !key32(secret, a.Secret[:]) {
		return fault("what follows # is cut off")
	}
	if a.WSS = values.Get("wss"); a.WSS != "" {
		if u, err := url.Parse(a.WSS); err != nil || u.Scheme != "wss" || u.Host == "" || u.User != nil {
			return fault("wss is no URL that begins with wss://")
		}
	}
	return a, nil
}

// key32 takes 32 octets from base64, which are not all zeros.
func key32(text string, to []byte) bool {
	octets, err := identity.ParseBase64(text)
	return err == nil && len(octets) == 32 && copy(to, octets) == 32 && [32]byte(octets) != [32]byte{}
}

var hostname = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?$`)

// hostOf returns HOST:PORT for HOST[:PORT].
func hostOf(text string) (string, bool) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"), strconv.Itoa(Port)
		if strings.Contains(host, ":") != strings.HasPrefix(text, "[") || strings.HasPrefix(text, "[") != strings.HasSuffix(text, "]") {
			return "", false
		}
	}
	ip, err := netip.ParseAddr(host)
	number, fault := strconv.ParseUint(port, 10, 16)
	switch {
	case fault != nil || number == 0 || strconv.FormatUint(number, 10) != port:
		return "", false
	case err == nil:
		host = ip.String()
		return net.JoinHostPort(host, port), ip.Zone() == "" && !ip.IsUnspecified() && !ip.IsMulticast()
	}
	return net.JoinHostPort(host, port), hostname.MatchString(host)
}

// String returns the whole address, which is a secret if it has one.
func (a Address) String() string {
	if a.Secret == (Secret{}) {
		return a.Public()
	}
	return a.Public() + "#" + identity.Base64(a.Secret[:])
}

// Public returns the address without SECRET.
func (a Address) Public() string {
	hosts := make([]string, len(a.Hosts))
	for i, host := range a.Hosts {
		hosts[i] = strings.TrimSuffix(host, ":"+strconv.Itoa(Port))
	}
	text := scheme + strings.Join(hosts, ",") + "/?key=" + identity.Base64(a.Key[:])
	if a.WSS != "" {
		text += "&wss=" + url.QueryEscape(a.WSS)
	}
	return text
}

// LogValue has logs show the address without SECRET.
func (a Address) LogValue() slog.Value { return slog.StringValue(a.Public()) }
