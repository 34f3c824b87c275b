package beacon

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
)

// errNoIPv6 is why no beacons go out on a system that cannot hear them.
var errNoIPv6 = errors.New("this system has no IPv6 socket for beacons")

// sendTimeout is how long one datagram may take to leave.
const sendTimeout = 200 * time.Millisecond

// outlet sends on one interface. After an error it opens a new socket. It is
// told whether the host hears the beacons that it sends itself.
type outlet struct {
	iface   Interface
	local   netip.Addr     // the interface's; to make it anew for each beacon costs much where there are many
	conn    *net.UDPConn   // nil until the first send and after an error
	ears    []*net.UDPConn // what hears IPv6 beacons, none if nothing does
	sent    bool           // the latest beacon went out
	echoed  atomic.Bool    // and the host has heard it
	sending health
	hearing health
}

// send sends one datagram to port, within sendTimeout.
func (o *outlet) send(datagram []byte, port uint16) error {
	if err := o.open(); err != nil {
		return err
	}
	err := o.conn.SetWriteDeadline(time.Now().Add(sendTimeout))
	if err == nil {
		_, err = o.conn.WriteToUDPAddrPort(datagram, netip.AddrPortFrom(o.iface.Broadcast, port))
	}
	if err != nil {
		o.close()
	}
	return err
}

// open makes a socket whose datagrams carry the interface's address and leave
// through it, even if another interface is in the same network. For IPv6 it lets
// the host hear the group there.
func (o *outlet) open() error {
	if o.conn != nil {
		return nil
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(o.local, 0)))
	if err != nil {
		return err
	}
	if o.iface.Addr.Addr().Is4() {
		err = control(conn, func(fd uintptr) error { return leaveThrough(fd, o.iface.Index) })
	} else {
		err = o.join(syscall.IPV6_JOIN_GROUP)
	}
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	o.conn = conn
	return nil
}

// join joins or leaves the IPv6 group on the interface, as the option says.
func (o *outlet) join(option int) error {
	if len(o.ears) == 0 {
		return errNoIPv6
	}
	return control(o.ears[0], func(fd uintptr) error { return member(fd, o.iface.Index, option) })
}

// close leaves nothing open. What fails in it fails because the interface is gone,
// and nothing is left of it then.
func (o *outlet) close() {
	if o.conn == nil {
		return
	}
	_ = o.conn.Close()
	if o.iface.Addr.Addr().Is6() {
		_ = o.join(syscall.IPV6_LEAVE_GROUP)
	}
	o.conn = nil
}

// health says when something fails for longer than patience, when it fails in
// another way, and when it works again.
type health struct {
	what     string
	patience time.Duration
	say      func(text string)

	fails int
	since time.Time
	said  string // why it fails, empty if nothing was said
}

// leastFails is how often something fails at least before a word is said.
const leastFails = 3

func (h *health) report(err error) {
	if err == nil {
		if h.said != "" {
			h.say("can " + h.what + " again")
		}
		h.fails, h.said = 0, ""
		return
	}
	if h.fails++; h.fails == 1 {
		h.since = time.Now()
	}
	cause := err.Error()
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		cause = errno.Error() // the rest of the text has ports that vary
	}
	if h.fails >= leastFails && time.Since(h.since) >= h.patience && cause != h.said {
		h.said = cause
		h.say(fmt.Sprintf("cannot %s: %s", h.what, cause))
	}
}

// control applies set to a connection's descriptor.
func control(conn *net.UDPConn, set func(fd uintptr) error) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	return within(raw, set)
}

func within(c syscall.RawConn, set func(fd uintptr) error) error {
	var failed error
	err := c.Control(func(fd uintptr) { failed = set(fd) })
	return errors.Join(err, failed)
}
