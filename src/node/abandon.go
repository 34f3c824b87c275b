package node

import (
	"net"
	"net/netip"
	"slices"

	"github.com/sjohnr/at-once/src/link"
)

// abandon closes connections from an address that the host no longer has, now
// that it has another: nothing will come over them any more, and to connect anew
// is quicker than to wait until that is certain.
func (l *loop) abandon() {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		l.settings.log.Warn("cannot list addresses", "error", err)
		return
	}
	lost := func(k *link.Link) bool {
		at, err := netip.ParseAddrPort(k.LocalAddr().String())
		return err == nil && !slices.ContainsFunc(addrs, func(a net.Addr) bool {
			own, err := netip.ParsePrefix(a.String())
			return err == nil && own.Addr() == at.Addr().Unmap().WithZone("")
		})
	}
	for _, out := range l.ours {
		if lost(out.Link) {
			l.work.Go(func() { _ = out.Close() })
		}
	}
	for _, r := range l.theirs {
		if lost(r.link) {
			l.work.Go(func() { _ = r.link.Close() })
		}
	}
}
