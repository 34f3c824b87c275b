//go:build !linux

package link

import "syscall"

const arrivalsKnown = false

// arrived tells nothing where the operating system does not.
func arrived(syscall.RawConn) (octets uint64, under, ok bool) { return 0, false, false }
