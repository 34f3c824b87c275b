package beacon

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// outlet sends on one interface. After an error it opens a new socket, since an
// interface that comes back may have another index.
type outlet struct {
	iface  Interface
	conn   *net.UDPConn // nil until the first send and after an error
	health health
}

// send broadcasts one datagram to port, within sendTimeout.
func (o *outlet) send(datagram []byte, port uint16) error {
	err := o.open()
	if err != nil {
		return err
	}
	err = o.conn.SetWriteDeadline(time.Now().Add(sendTimeout))
	if err == nil {
		_, err = o.conn.WriteToUDPAddrPort(datagram, netip.AddrPortFrom(o.iface.Broadcast, port))
	}
	if err != nil {
		o.close()
	}
	return err
}

// open makes a socket whose datagrams carry the interface's address and leave
// through it, even if another interface is in the same network.
func (o *outlet) open() error {
	if o.conn != nil {
		return nil
	}
	system, err := net.InterfaceByName(o.iface.Name)
	if err != nil {
		return err
	}
	local := netip.AddrPortFrom(o.iface.Addr.Addr(), 0)
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(local))
	if err != nil {
		return err
	}
	raw, err := conn.SyscallConn()
	if err == nil {
		err = control(raw, func(fd uintptr) error { return leaveThrough(fd, system.Index) })
	}
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	o.conn = conn
	return nil
}

func (o *outlet) close() {
	if o.conn == nil {
		return
	}
	if err := o.conn.Close(); err != nil {
		o.health.log.Warn("cannot close a beacon's socket", "error", err)
	}
	o.conn = nil
}

// health logs when something begins to fail, fails in another way, or works
// again, and is silent as long as nothing changes.
type health struct {
	log   *slog.Logger
	what  string
	cause string // why it fails, empty if it works
}

func (h *health) report(err error) {
	cause := ""
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
		cause = errno.Error() // the rest of the text has ports that vary
	case err != nil:
		cause = err.Error()
	}
	if cause == h.cause {
		return
	}
	h.cause = cause
	if err != nil {
		h.log.Warn("cannot "+h.what+", will retry", "error", err)
	} else {
		h.log.Info("can " + h.what + " again")
	}
}
