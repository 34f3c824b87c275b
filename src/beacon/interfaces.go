package beacon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Group is the IPv6 group that beacons go to, on each link: transient and
// link-local (RFC 4291, section 2.7), "ZRE6" in its last octets. RFC 36 knows
// IPv4 only; nodes of other programs do not hear it.
var Group = netip.MustParseAddr("ff12::5a52:4536")

// Interface is one network that a host is part of. A network interface with
// several addresses makes several.
type Interface struct {
	Name  string
	Index int
	Addr  netip.Prefix // the host's address and the network's prefix

	// Broadcast is where beacons go: the last address of an IPv4 network, or
	// Group from a link-local IPv6 address. From other addresses none go out, as
	// on tunnels and on networks of one or two addresses: they only accept
	// connections, and theirs is the zero Addr.
	Broadcast netip.Addr
	Loopback  bool
}

// Local returns the host's address, with its zone if it is link-local.
func (i Interface) Local() netip.Addr {
	if i.Addr.Addr().IsLinkLocalUnicast() && i.Addr.Addr().Is6() {
		return i.Addr.Addr().WithZone(i.Name)
	}
	return i.Addr.Addr()
}

// hears tells whether a datagram from an address came from a host of this network.
func (i Interface) hears(from netip.Addr) bool {
	return i.Broadcast.IsValid() && from != i.Broadcast && i.Addr.Contains(from.WithZone("")) && from.Zone() == i.Local().Zone()
}

func (i Interface) String() string {
	return fmt.Sprintf("%s (%v)", i.Name, i.Addr.Addr())
}

// ErrNoInterface is returned if the host has no usable interface at all.
var ErrNoInterface = errors.New("no network interface is up and has an address")

// UnknownInterfaceError says that no usable interface has some names or addresses.
type UnknownInterfaceError struct {
	Names []string
	Known []Interface
}

// maxTold is how many interfaces an error names.
const maxTold = 16

func (e *UnknownInterfaceError) Error() string {
	var names, known []string
	for _, name := range e.Names {
		names = append(names, strconv.Quote(name))
	}
	for _, k := range e.Known[:min(len(e.Known), maxTold)] {
		known = append(known, k.String())
	}
	if more := len(e.Known) - maxTold; more > 0 {
		known = append(known, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("no usable network interface %s; there are: %s", strings.Join(names, ", "), cmp.Or(strings.Join(known, ", "), "none"))
}

// Interfaces returns what is usable on this host: the addresses of interfaces that
// are up and have a carrier, and 127.0.0.0/8 on loopback.
func Interfaces() ([]Interface, error) {
	system, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("cannot list network interfaces: %w", err)
	}
	addresses, err := addressesOf(system)
	if err != nil {
		return nil, fmt.Errorf("cannot list addresses: %w", err)
	}
	var usable []Interface
	for _, ifi := range system {
		if ifi.Flags&net.FlagUp == 0 || ifi.Flags&net.FlagRunning == 0 {
			continue
		}
		for _, prefix := range addresses[ifi.Index] {
			if i, ok := newInterface(ifi, prefix); ok {
				usable = append(usable, i)
			}
		}
	}
	return usable, nil
}

// newInterface reports whether an address of ifi can be used. On loopback only that
// of IPv4 can: others that a host keeps there are no network.
func newInterface(ifi net.Interface, prefix netip.Prefix) (Interface, bool) {
	ip := prefix.Addr()
	i := Interface{Name: ifi.Name, Index: ifi.Index, Addr: prefix, Loopback: ifi.Flags&net.FlagLoopback != 0}
	if i.Loopback != ip.IsLoopback() || i.Loopback && ip.Is6() {
		return Interface{}, false
	}
	switch {
	case ip.Is4() && prefix.Bits() <= 30 && ifi.Flags&(net.FlagBroadcast|net.FlagLoopback) != 0:
		i.Broadcast = lastAddr(prefix)
	case ip.Is6() && ip.IsLinkLocalUnicast() && ifi.Flags&net.FlagMulticast != 0:
		i.Broadcast = Group.WithZone(ifi.Name)
	}
	return i, true
}

// lastAddr returns the highest address of an IPv4 prefix.
func lastAddr(p netip.Prefix) netip.Addr {
	octets := p.Addr().As4()
	for i := range octets {
		octets[i] |= byte(0xFF >> min(max(p.Bits()-8*i, 0), 8))
	}
	return netip.AddrFrom4(octets)
}

// Select returns the usable interfaces that names names, each by name or by
// address and each once; an IPv6 address brings the link-local one beside it,
// which beacons need. Without names it returns all but loopback, and loopback last
// if beacons go out from none of the others. If names are unknown it returns the
// others and *UnknownInterfaceError; it also fails with ErrNoInterface or the
// system's reason for not listing interfaces.
func Select(names []string) ([]Interface, error) {
	usable, err := Interfaces()
	if err != nil {
		return nil, err
	}
	return choose(usable, names)
}

func choose(usable []Interface, names []string) (chosen []Interface, err error) {
	if len(names) == 0 {
		chosen = slices.DeleteFunc(slices.Clone(usable), func(i Interface) bool { return i.Loopback })
		if !slices.ContainsFunc(chosen, func(i Interface) bool { return i.Broadcast.IsValid() }) {
			chosen = append(chosen, slices.DeleteFunc(slices.Clone(usable), func(i Interface) bool { return !i.Loopback })...)
		}
		if len(chosen) == 0 {
			err = ErrNoInterface
		}
		return chosen, err
	}
	var unknown []string
	for _, name := range names {
		named := func(i Interface) bool {
			return i.Name == name || i.Addr.Addr().String() == name || i.Local().String() == name
		}
		found := slices.IndexFunc(usable, named)
		if found < 0 {
			unknown = append(unknown, name)
			continue
		}
		for _, i := range usable {
			beside := i.Index == usable[found].Index && i.Addr.Addr().Is6() && usable[found].Addr.Addr().Is6()
			if (named(i) || beside && i.Broadcast.IsValid()) && !slices.Contains(chosen, i) {
				chosen = append(chosen, i)
			}
		}
	}
	if unknown != nil {
		err = &UnknownInterfaceError{unknown, usable}
	}
	return chosen, err
}

// WantName returns nothing if an interface can ever have a name or address, else what
// that is.
func WantName(name string) string {
	if _, err := netip.ParseAddr(name); err == nil {
		return ""
	}
	if name == "" || len(name) > maxName || strings.ContainsAny(name, "/:") {
		return fmt.Sprintf("an IP address, or a name of 1 to %d octets without slashes and colons", maxName)
	}
	return ""
}

// Bounds of how often Follow looks. To look costs some 100 µs.
const (
	leastLook = 100 * time.Millisecond
	mostLook  = 2 * time.Second
)

// Follow looks every interval, within bounds, at what names select (see Select),
// and calls changed when it is not what it was, with what happened to which
// interface. It returns when ctx ends.
func Follow(ctx context.Context, names []string, was []Interface, interval time.Duration, changed func(is []Interface, what []string)) {
	ticker := time.NewTicker(min(max(interval, leastLook), mostLook))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		is, err := Select(names)
		var unknown *UnknownInterfaceError
		if err != nil && !errors.Is(err, ErrNoInterface) && !errors.As(err, &unknown) {
			continue // the system does not tell this time
		}
		if !slices.Equal(was, is) {
			changed(is, changes(was, is))
			was = is
		}
	}
}

// changes says what differs, one line for each interface that came, went or
// changed; loopback does not, but is used when there are no others.
func changes(was, is []Interface) (what []string) {
	var names []string
	for _, i := range slices.Concat(was, is) {
		if i.Loopback || slices.Contains(names, i.Name) {
			continue
		}
		names = append(names, i.Name)
		other := func(o Interface) bool { return o.Name != i.Name }
		before := slices.DeleteFunc(slices.Clone(was), other)
		after := slices.DeleteFunc(slices.Clone(is), other)
		switch {
		case slices.Equal(before, after):
		case len(before) == 0:
			what = append(what, fmt.Sprintf("interface %s up: %s", i.Name, addresses(after)))
		case len(after) == 0:
			what = append(what, fmt.Sprintf("interface %s down or without an address", i.Name))
		default:
			what = append(what, fmt.Sprintf("interface %s changed: %s", i.Name, addresses(after)))
		}
	}
	return what
}

func addresses(interfaces []Interface) string {
	texts := make([]string, len(interfaces))
	for n, i := range interfaces {
		texts[n] = i.Addr.Addr().String()
	}
	return strings.Join(texts, ", ")
}
