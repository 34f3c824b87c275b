package link

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// arrivalsKnown says that arrived tells something.
const arrivalsKnown = true

// arrived tells how many octets the far side of a TCP connection has acknowledged, and
// whether some are under way.
func arrived(raw syscall.RawConn) (octets uint64, under, ok bool) {
	var info *unix.TCPInfo
	var err error
	if raw.Control(func(fd uintptr) {
		info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	}) != nil || err != nil {
		return 0, false, false
	}
	return info.Bytes_acked, info.Unacked > 0 || info.Notsent_bytes > 0, true
}
