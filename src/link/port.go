package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// Port dials as TCP does, but from the port of a listener on this host: what a NAT shows of
// such a connection is where others reach the listener, as long as it stands. [Share] has
// the listener allow it.
type Port struct {
	TCP
	At net.Addr // of the listener
	// Else has connections be made from any port where there is one from that port to the
	// same place, or the system remembers one. They are reset when they are closed.
	Else bool
}

// ErrShared says that the system does not let connections be made from a listener's port.
var ErrShared = errors.New("link: a listener's port cannot be dialled from here")

// Share lets connections be made from the port of a listener. Nobody else can listen there
// any more than before.
func Share(l net.Listener) error {
	conn, ok := l.(syscall.Conn)
	if !ok {
		return ErrShared
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	return reuse(raw)
}

// Dial connects to an endpoint. EADDRNOTAVAIL says that there is such a connection already,
// which the far side may have made.
func (p Port) Dial(ctx context.Context, endpoint string) (net.Conn, error) {
	e, err := parseEndpoint(endpoint)
	if err != nil {
		return nil, err
	}
	if !e.definite() {
		return nil, fmt.Errorf("%w: %q cannot be dialled", ErrEndpoint, endpoint)
	}
	at, err := netip.ParseAddrPort(p.At.String())
	if err != nil {
		return nil, fmt.Errorf("%w: %v is no address of a port", ErrShared, p.At)
	}
	local := net.TCPAddr{Port: int(at.Port())}
	if !at.Addr().IsUnspecified() {
		local.IP, local.Zone = at.Addr().AsSlice(), at.Addr().Zone()
	}
	dialer := net.Dialer{KeepAlive: -1, LocalAddr: &local}
	dialer.SetMultipathTCP(false)
	dialer.Control = func(_, _ string, raw syscall.RawConn) error { return reuse(raw) }
	conn, err := dialer.DialContext(ctx, "tcp", e.address(e.from))
	if p.Else && (errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, ErrShared)) {
		return p.TCP.Dial(ctx, endpoint)
	}
	if p.Else && err == nil {
		// The next one is to come from the port, too: none is remembered when it is closed.
		_ = conn.(*net.TCPConn).SetLinger(0) // fails only if it has ended
	}
	return conn, err
}
