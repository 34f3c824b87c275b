package beacon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/uuid"
)

const (
	sendTimeout = 200 * time.Millisecond // for one datagram to leave
	readPause   = 100 * time.Millisecond // after the system failed to read
)

// UDP is the beacon of RFC 36, version 1, over IPv4 broadcast. Any number of
// nodes, in one process and in many, share a port. It hears only hosts of its
// interfaces' networks, told by the address that a datagram comes from. Broadcast
// among processes on loopback needs a system that has it, as Linux does.
//
// Set the fields before Run and leave them then; each Run needs a UDP of its
// own.
type UDP struct {
	Port       int         // 1 to 65535; RFC 36 reserves 5670
	Interfaces []Interface // at least one; see Select
	Log        *slog.Logger

	counts struct{ seen, elsewhere, malformed, curve atomic.Uint64 }
}

// Counts tells what became of the datagrams heard so far.
type Counts struct {
	Seen      uint64 // sightings, and the node's own beacons
	Elsewhere uint64 // from a network that is not among the interfaces
	Malformed uint64 // no beacon of a known version
	Curve     uint64 // version 3: a node that speaks CURVE only
}

// Counts may be called from any goroutine at any time.
func (u *UDP) Counts() Counts {
	c := &u.counts
	return Counts{c.seen.Load(), c.elsewhere.Load(), c.malformed.Load(), c.curve.Load()}
}

// Run implements [Beacon]. An interface that cannot send, because it is down or
// gone or not permitted, is tried again with every beacon; the log has one line
// when that begins, changes and ends.
func (u *UDP) Run(ctx context.Context, announce Announcement, sight func(Sighting)) error {
	if err := announce.check(); err != nil {
		return err
	}
	if len(u.Interfaces) == 0 {
		return ErrNoInterface
	}
	if u.Log == nil {
		u.Log = slog.New(slog.DiscardHandler)
	}
	conn, err := listen(ctx, u.Port)
	if err != nil {
		return err
	}
	var receiver sync.WaitGroup
	receiver.Go(func() { u.hear(ctx, conn, announce.ID, sight) })
	u.tell(ctx, announce)
	err = conn.Close()
	receiver.Wait()
	return err
}

// listen opens a socket that hears broadcasts to port on all interfaces.
func listen(ctx context.Context, port int) (*net.UDPConn, error) {
	if port < 1 || port > 65535 {
		return nil, fmt.Errorf("beacon: UDP port %d is not in 1 to 65535", port)
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return control(c, sharePort)
	}}
	conn, err := config.ListenPacket(ctx, "udp4", ":"+strconv.Itoa(port))
	if err != nil {
		return nil, fmt.Errorf("beacon: cannot listen: %w", err)
	}
	return conn.(*net.UDPConn), nil
}

// control applies set to the socket's descriptor.
func control(c syscall.RawConn, set func(fd uintptr) error) error {
	var failed error
	err := c.Control(func(fd uintptr) { failed = set(fd) })
	return errors.Join(err, failed)
}

// hear reads datagrams until conn is closed. It stores nothing: what sight does
// not take waits in the socket's buffer, and is dropped when that is full.
func (u *UDP) hear(ctx context.Context, conn *net.UDPConn, self uuid.UUID, sight func(Sighting)) {
	health := health{log: u.Log.With("port", u.Port), what: "hear beacons"}
	buffer := make([]byte, 2*curveSize)
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
			u.take(buffer[:n], from.Addr().Unmap(), self, sight)
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
func (u *UDP) take(datagram []byte, from netip.Addr, self uuid.UUID, sight func(Sighting)) {
	if !u.onNetwork(from) {
		u.counts.elsewhere.Add(1)
		return
	}
	kind, id, port := decode(datagram)
	switch kind {
	case kindMalformed:
		u.counts.malformed.Add(1)
	case kindCurve:
		u.counts.curve.Add(1)
	case kindPlain:
		u.counts.seen.Add(1)
		if id != self {
			sight(Sighting{ID: id, Endpoint: endpoint(from.String(), port), Gone: port == 0})
		}
	}
}

func (u *UDP) onNetwork(from netip.Addr) bool {
	for _, i := range u.Interfaces {
		if i.Addr.Contains(from) {
			return true
		}
	}
	return false
}

// tell sends beacons on all interfaces until ctx ends, and goodbye then.
func (u *UDP) tell(ctx context.Context, announce Announcement) {
	outlets := make([]outlet, len(u.Interfaces))
	for i, iface := range u.Interfaces {
		log := u.Log.With("interface", iface.Name, "address", iface.Addr.Addr())
		outlets[i] = outlet{iface: iface, health: health{log: log, what: "send beacons"}}
		defer outlets[i].close()
	}
	broadcast := func(datagram []byte) {
		for i := range outlets {
			outlets[i].health.report(outlets[i].send(datagram, uint16(u.Port)))
		}
	}
	hello := encode(announce.ID, announce.Port)
	plan := newSchedule(announce.Interval, rand.Float64)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			broadcast(hello)
			timer.Reset(plan.wait())
		case <-ctx.Done():
			broadcast(encode(announce.ID, 0))
			return
		}
	}
}

// endpoint names the listener of a node at host.
func endpoint(host string, port uint16) string {
	return "tcp://" + net.JoinHostPort(host, strconv.Itoa(int(port)))
}
