//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// errEnd is how a connection ends that nobody has reset.
var errEnd = io.EOF

// drained waits a moment until the far side of a connection has all that was written to it,
// and tells whether it has.
func drained(conn *net.TCPConn) (all bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	for range 100 {
		_ = raw.Control(func(fd uintptr) {
			n, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
			all = err == nil && n == 0
		})
		if all {
			return true
		}
		time.Sleep(time.Millisecond)
	}
	return false
}

// ownerOf returns which of some processes has a connection from one port of loopback to
// another, -1 for none of them. Connections that have ended may be from the same port.
func ownerOf(from, to int, pids []int) int {
	link := ""
	f, err := os.Open("/proc/net/tcp")
	if err != nil {
		return -1
	}
	defer f.Close()
	local, remote := fmt.Sprintf("0100007F:%04X", from), fmt.Sprintf("0100007F:%04X", to)
	for lines := bufio.NewScanner(f); link == "" && lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 9 && fields[1] == local && fields[2] == remote {
			link = "socket:[" + fields[9] + "]"
		}
	}
	for i, pid := range pids {
		dir := fmt.Sprintf("/proc/%d/fd/", pid)
		open, _ := os.ReadDir(dir) // it may have ended
		for _, fd := range open {
			if to, _ := os.Readlink(dir + fd.Name()); to == link && link != "" {
				return i
			}
		}
	}
	return -1
}
