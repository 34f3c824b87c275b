package beacon

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/sjohnr/at-once/src/sight"
)

// readPause is how long it waits after the system failed to read.
const readPause = 100 * time.Millisecond

// Names under which [UDP.Count] counts datagrams.
const (
	CountSent      = "beacons sent"
	CountHeard     = "beacons heard"               // sightings, and the node's own beacons
	CountOwn       = "own beacons heard"           // sent and heard by the node itself, or somebody's goodbye in its name
	CountElsewhere = "beacons from other networks" // than those of the interfaces
	CountMalformed = "beacons that are not ZRE's"  // or of an unknown version, or lack their key
)

// UDP is the beacon of RFC 36, and of RFC 43 for a node with a key, over IPv4
// broadcast, and over IPv6 multicast to Group. Any number of nodes, in one process
// and in many, share a port. It hears both versions, whichever it sends, and only
// hosts of its interfaces' networks, told by the address that a datagram comes from.
// Broadcast among processes on loopback needs a system that has it, as Linux does.
//
// Set the fields before Run and leave them then; each Run needs a UDP of its
// own. Count and Notice may be called from any goroutine.
type UDP struct {
	Count  func(name string) // takes what became of a datagram
	Notice func(text string) // takes what begins to fail, and works again, on an interface

	port    uint16
	ears    []*net.UDPConn // IPv4, and IPv6 if the system has it
	plan    *schedule
	changed chan struct{} // holds a token when interfaces has changed

	mu         sync.Mutex
	interfaces []Interface
	outlets    []*outlet // changed by tell only

	sighting sync.Mutex // held while sighted runs
}

// Listen returns a UDP that hears all beacons to a port from 1 to 65535, RFC 36
// reserves 5670, until its Run ends or it is closed, and uses interfaces until Use
// names others.
func Listen(ctx context.Context, port uint16, interfaces []Interface) (*UDP, error) {
	v4, err := listen(ctx, "udp4", port)
	if err != nil {
		return nil, fmt.Errorf("cannot hear beacons on UDP port %d: %w", port, err)
	}
	u := &UDP{
		Count:      func(string) {},
		Notice:     func(string) {},
		port:       port,
		ears:       []*net.UDPConn{v4},
		changed:    make(chan struct{}, 1),
		interfaces: interfaces,
	}
	if v6, err := listen(ctx, "udp6", port); err == nil { // else see errNoIPv6
		u.ears = append(u.ears, v6)
	}
	return u, nil
}

// listen opens a socket that shares a port on all interfaces.
func listen(ctx context.Context, network string, port uint16) (*net.UDPConn, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return within(c, sharePort)
	}}
	conn, err := config.ListenPacket(ctx, network, ":"+strconv.Itoa(int(port)))
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

// Use names the interfaces to hear from now on, and to send beacons on from the next
// Renew on. It may be called from any goroutine at any time.
func (u *UDP) Use(interfaces []Interface) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.interfaces = interfaces
}

// Renew has a beacon sent at once, on the interfaces that are in use now, and the next
// ones soon.
func (u *UDP) Renew() {
	select {
	case u.changed <- struct{}{}:
	default:
	}
}

func (u *UDP) String() string { return fmt.Sprint("beacons on UDP port ", u.port) }

// Close releases a UDP that has not been run.
func (u *UDP) Close() error {
	var errs []error
	for _, conn := range u.ears {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}

// Run implements [sight.Source]. The first beacon goes out at once, the next ones sooner
// than the interval, later ones less often where many are heard; all waits vary by a
// tenth. It calls sighted for one beacon at a time, every one that others send. An
// interface that cannot send, because it is down or not permitted, is tried again with
// every beacon.
func (u *UDP) Run(ctx context.Context, announce sight.Announcement, sighted func([]sight.Sighting)) error {
	if err := check(announce); err != nil {
		return errors.Join(err, u.Close())
	}
	u.plan = newSchedule(announce.Interval, rand.Float64)
	var receivers sync.WaitGroup
	for _, conn := range u.ears {
		receivers.Go(func() { u.hear(ctx, conn, announce, sighted) })
	}
	u.tell(ctx, announce)
	err := u.Close()
	receivers.Wait()
	return err
}

// hear reads datagrams until conn is closed. It stores nothing: what sighted does
// not take waits in the socket's buffer, and is dropped when that is full.
func (u *UDP) hear(ctx context.Context, conn *net.UDPConn, self sight.Announcement, sighted func([]sight.Sighting)) {
	health := health{what: "hear beacons", say: u.Notice}
	buffer := make([]byte, 2*keyedSize)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buffer)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case errors.Is(err, errTooLong):
			n, err = len(buffer), nil
		}
		health.report(err)
		if err == nil {
			u.take(buffer[:n], from.Addr().Unmap(), self, sighted)
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(readPause):
		}
	}
}

// take judges one datagram.
func (u *UDP) take(datagram []byte, from netip.Addr, self sight.Announcement, sighted func([]sight.Sighting)) {
	id, port, key, ok := decode(datagram)
	switch {
	case ok && id == self.ID && (port == 0 || port == self.Port) && u.echo(from):
		u.Count(CountOwn)
	case !u.onNetwork(from):
		u.Count(CountElsewhere)
	case !ok:
		u.Count(CountMalformed)
	case id == self.ID && port == 0:
		u.Count(CountOwn)
	default:
		u.Count(CountHeard)
		if port != 0 {
			u.plan.heard(id)
		}
		u.sighting.Lock()
		defer u.sighting.Unlock()
		sighted([]sight.Sighting{{ID: id, Endpoint: sight.At(from.String(), port).With(&key), Gone: port == 0}})
	}
}

func (u *UDP) onNetwork(from netip.Addr) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.ContainsFunc(u.interfaces, func(i Interface) bool { return i.hears(from) })
}

// echo notes that a beacon like our own was heard from an address, and tells whether
// that is one of ours.
func (u *UDP) echo(from netip.Addr) (ours bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, o := range u.outlets {
		if o.local == from {
			o.echoed.Store(true)
			ours = true
		}
	}
	return ours || slices.ContainsFunc(u.interfaces, func(i Interface) bool { return i.Local() == from })
}

// tell sends beacons on all interfaces until ctx ends, and goodbye then.
func (u *UDP) tell(ctx context.Context, announce sight.Announcement) {
	u.open(announce.Interval)
	defer func() {
		u.Use(nil)
		u.open(0)
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-u.changed:
			u.open(announce.Interval)
			u.plan.hurry()
			timer.Reset(0)
		case <-timer.C:
			u.broadcast(encode(announce.ID, announce.Port, announce.Key))
			timer.Reset(u.plan.wait())
		case <-ctx.Done():
			u.broadcast(encode(announce.ID, 0, announce.Key))
			return
		}
	}
}

// open brings the outlets into step with the interfaces.
func (u *UDP) open(interval time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	var outlets []*outlet
	for _, i := range u.interfaces {
		same := func(o *outlet) bool { return o.iface == i }
		if at := slices.IndexFunc(u.outlets, same); at >= 0 {
			outlets = append(outlets, u.outlets[at])
			u.outlets = slices.Delete(u.outlets, at, at+1)
		} else if i.Broadcast.IsValid() {
			say := func(text string) { u.Notice(fmt.Sprintf("interface %v: %s", i, text)) }
			outlets = append(outlets, &outlet{
				iface:   i,
				local:   i.Local(),
				ears:    u.ears[1:],
				sending: health{what: "send beacons", say: say, patience: 2 * interval},
				hearing: health{what: "hear own beacons", say: say, patience: 2 * interval},
			})
		}
	}
	for _, o := range u.outlets {
		o.close()
	}
	u.outlets = outlets
}

// broadcast sends a datagram everywhere, and judges whether the last was heard.
func (u *UDP) broadcast(datagram []byte) {
	unheard := fmt.Errorf("a firewall may drop UDP port %d", u.port)
	for _, o := range u.outlets {
		echoed := o.echoed.Swap(false)
		switch {
		case echoed:
			o.hearing.report(nil)
		case o.sent:
			o.hearing.report(unheard)
		}
		err := o.send(datagram, u.port)
		o.sending.report(err)
		if o.sent = err == nil; o.sent {
			u.Count(CountSent)
		}
	}
}
