//go:build linux

// Command tun is a network of tunnels for lan.sh: it makes tun devices, each with
// one of the IPv4 addresses that are its arguments, and passes packets on by where
// they go. Device n, from 1 on, is named ontunN; it may be moved to another network
// namespace. It ends when its standard input does.
package main

import (
	"fmt"
	"io"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

func main() {
	devices := map[netip.Addr]*os.File{}
	for n, text := range os.Args[1:] {
		addr, err := netip.ParseAddr(text)
		if err == nil {
			devices[addr], err = open(fmt.Sprintf("ontun%d", n+1))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "tun:", err)
			os.Exit(1)
		}
	}
	for _, device := range devices {
		go pass(device, devices)
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin) // whatever ends it, it has ended
}

func open(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("/dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	return os.NewFile(uintptr(fd), name), err
}

// pass hands on the packets of a device until it is gone. Those for nobody, and
// those that nobody takes, are lost.
func pass(from *os.File, devices map[netip.Addr]*os.File) {
	packet := make([]byte, 65536)
	for {
		n, err := from.Read(packet)
		if err != nil {
			return
		}
		if n < 20 || packet[0]>>4 != 4 { // IPv4's header
			continue
		}
		if to := devices[netip.AddrFrom4([4]byte(packet[16:20]))]; to != nil {
			_, _ = to.Write(packet[:n])
		}
	}
}
