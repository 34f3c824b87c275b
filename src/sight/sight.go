// Package sight says what it is to hear of a node: who it is, and where it can be
// reached. Beacons and gossip tell of that.
//
// A sighting proves nothing: anybody can tell of anybody. It is a hint where to connect,
// and the conversation there decides.
//
// Programs import bindings/go/once: what is here may change at any time.
package sight

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/z85"
)

// Sighting is a word of another node.
type Sighting struct {
	ID       uuid.UUID
	Endpoint Endpoint // none if the node does not tell
	Gone     bool     // the node says goodbye; Endpoint means nothing
}

// Endpoint is where a node accepts connections, with its public key of CURVE if it has
// one; or that it is met through rendezvous servers, whichever they are. Two are equal if
// both are. The zero Endpoint is none.
type Endpoint struct {
	Address string // HOST:PORT; an IPv6 address in brackets, with its zone; or the id of who is met
	Key     string // 32 octets, nothing for none
}

// Why a text names no endpoint.
var (
	ErrEndpoint = errors.New("want tcp://HOST:PORT")
	ErrKey      = errors.New("its key is not 40 characters of Z85")
)

const (
	scheme = "tcp://"
	met    = "once://" // before the id of who is met through servers
)

// At returns the endpoint of a host and a port.
func At(host string, port uint16) Endpoint {
	return Endpoint{Address: net.JoinHostPort(host, strconv.Itoa(int(port)))}
}

// Met returns the endpoint of a node that is met through rendezvous servers.
func Met(id uuid.UUID) Endpoint { return Endpoint{Address: id.String()} }

// Met tells whether the endpoint is that of a node that is met through rendezvous servers.
func (e Endpoint) Met() bool { return e.Address != "" && !strings.Contains(e.Address, ":") }

// Of returns the endpoint of an address.
func Of(a net.Addr) Endpoint { return Endpoint{Address: a.String()} }

// ParseAny is the inverse of String.
func ParseAny(text string) (Endpoint, error) {
	if id, ok := strings.CutPrefix(text, met); ok {
		if who, err := uuid.Parse(id); err == nil && who.String() == id {
			return Met(who), nil
		}
	}
	return Parse(text)
}

// Parse is the inverse of String, but for who is met through servers: nobody has us go there
// who tells of an address.
func Parse(text string) (e Endpoint, err error) {
	bare, key, keyed := strings.Cut(text, "|")
	address, ok := strings.CutPrefix(bare, scheme)
	if _, _, err := net.SplitHostPort(address); !ok || err != nil {
		return Endpoint{}, fmt.Errorf("%q: %w", text, ErrEndpoint)
	}
	if keyed {
		octets, err := z85.Key(key)
		if e = e.With(&octets); err != nil || e.Key == "" {
			return Endpoint{}, fmt.Errorf("%q: %w", text, ErrKey)
		}
	}
	e.Address = address
	return e, nil
}

// String returns tcp://HOST:PORT, followed by a bar and the key in Z85 if there is one;
// once://ID for who is met through servers; nothing for none.
func (e Endpoint) String() string {
	text := e.Bare()
	if e.Key != "" {
		text += "|" + z85.Encode([]byte(e.Key))
	}
	return text
}

// Bare returns tcp://HOST:PORT, or once://ID; nothing for none.
func (e Endpoint) Bare() string {
	switch {
	case e.Address == "":
		return ""
	case e.Met():
		return met + e.Address
	}
	return scheme + e.Address
}

// LogValue has logs show what String does.
func (e Endpoint) LogValue() slog.Value { return slog.StringValue(e.String()) }

// With returns the endpoint with a key, or without if that is nil or zeros.
func (e Endpoint) With(key *[32]byte) Endpoint {
	e.Key = ""
	if key != nil && *key != [32]byte{} {
		e.Key = string(key[:])
	}
	return e
}

// KeyOf returns the key, nil if there is none.
func (e Endpoint) KeyOf() *[32]byte {
	if e.Key == "" {
		return nil
	}
	return (*[32]byte)([]byte(e.Key))
}

// Host returns the host, nothing for none.
func (e Endpoint) Host() string {
	host, _, _ := net.SplitHostPort(e.Address)
	return host
}

// IP returns the host if it is an address, else none.
func (e Endpoint) IP() netip.Addr {
	ip, _ := netip.ParseAddr(e.Host())
	return ip.Unmap()
}

// Port returns the port, 0 for one that is no number from 1 to 65535.
func (e Endpoint) Port() uint16 {
	_, port, _ := net.SplitHostPort(e.Address)
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return 0
	}
	return uint16(number)
}

// broadcast is the address of all hosts of a network (RFC 919).
var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// Dialable tells whether the endpoint is that of one host: its address, or a name, and a
// port; or of one who is met through servers.
func (e Endpoint) Dialable() bool {
	if e.Met() {
		return true
	}
	host, ip := e.Host(), e.IP()
	nobody := host == "" || host == "*" || ip.IsUnspecified() || ip.IsMulticast() || ip == broadcast
	return !nobody && e.Port() != 0
}

// Loopback tells whether only its own host can reach the endpoint.
func (e Endpoint) Loopback() bool {
	return e.Host() == "localhost" || e.IP().IsLoopback()
}

// Announcement is what a node tells of itself.
type Announcement struct {
	ID          uuid.UUID
	Incarnation uint64        // higher at each start of the node, and not 0
	Port        uint16        // TCP port on which the node accepts connections, not 0
	Key         [32]byte      // public key of CURVE; zero for a node without
	Interval    time.Duration // between two announcements to who keeps none, more than 0

	// Reached returns where peers can reach the node that are told so over a connection
	// from an address of this host, and the node's key; none is nowhere. It must not
	// call the source.
	Reached func(local net.Addr) Endpoint
}

// Source tells others of a node, and the node of others.
type Source interface {
	// Run announces the node until ctx ends; then it withdraws the node and returns nil.
	// It returns an error at once if it can never do so; what fails later is tried again.
	//
	// Run calls sighted for whom it hears of, for the same again and again, and for
	// others that have the node's own id. It may do so from several goroutines, but never
	// after it has returned; while sighted runs, what else is heard waits or is dropped.
	Run(ctx context.Context, node Announcement, sighted func([]Sighting)) error

	// Renew announces the node anew, because it is reached elsewhere than before. It may
	// be called from any goroutine at any time.
	Renew()

	fmt.Stringer // names the source in logs
}
