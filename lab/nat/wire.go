//go:build linux

package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// wire is the lab's internet: a switch of Ethernet, each frame through which takes a while.
type wire struct {
	delay atomic.Int64 // of a frame, in nanoseconds

	mu    sync.Mutex
	ports []*port
	at    map[[6]byte]*port // where an address was seen
}

// port is where a namespace is plugged in.
type port struct {
	device *os.File
	frames chan frame
}

type frame struct {
	due    time.Time
	octets []byte
}

// plug makes the device wan in a namespace, and its other end a port.
func (w *wire) plug(namespace string) error {
	device, err := tap(namespace)
	if err != nil {
		return err
	}
	p := &port{device, make(chan frame, 4096)}
	w.mu.Lock()
	w.ports = append(w.ports, p)
	w.mu.Unlock()
	go w.carry(p)
	go p.deliver()
	return nil
}

// tap makes a device wan in a namespace. The thread that goes there ends with that.
func tap(namespace string) (device *os.File, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		var at, fd int
		if at, err = unix.Open("/run/netns/"+namespace, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return
		}
		defer unix.Close(at)
		if err = unix.Setns(at, unix.CLONE_NEWNET); err != nil {
			return
		}
		if fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0); err != nil {
			err = fmt.Errorf("/dev/net/tun: %w", err)
			return
		}
		var request *unix.Ifreq
		if request, err = unix.NewIfreq("wan"); err == nil {
			request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
			err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
		}
		device = os.NewFile(uintptr(fd), "wan")
	}()
	<-done
	return device, err
}

// carry takes the frames of a port until it is gone, and puts each where it goes, or
// everywhere. What is too much for a port is lost.
func (w *wire) carry(from *port) {
	for {
		octets := make([]byte, 2048)
		n, err := from.device.Read(octets)
		if err != nil {
			return
		}
		if n < 14 {
			continue
		}
		f := frame{time.Now(), octets[:n]}
		if !resolves(f.octets) {
			f.due = f.due.Add(time.Duration(w.delay.Load()))
		}
		w.mu.Lock()
		w.at[[6]byte(octets[6:12])] = from
		ports := w.ports
		if to := w.at[[6]byte(octets[:6])]; to != nil {
			ports = []*port{to}
		}
		w.mu.Unlock()
		for _, to := range ports {
			if to == from {
				continue
			}
			select {
			case to.frames <- f:
			default:
			}
		}
	}
}

// resolves tells whether a frame is of ARP or asks for a neighbour by ICMPv6: routers of a
// real internet know theirs.
func resolves(frame []byte) bool {
	const solicitation, advertisement = 135, 136
	return frame[12] == 0x08 && frame[13] == 0x06 ||
		len(frame) > 54 && frame[12] == 0x86 && frame[13] == 0xdd && frame[20] == unix.IPPROTO_ICMPV6 &&
			(frame[54] == solicitation || frame[54] == advertisement)
}

// deliver writes the frames for a port when they are due.
func (p *port) deliver() {
	for f := range p.frames {
		time.Sleep(time.Until(f.due))
		if _, err := p.device.Write(f.octets); err != nil {
			continue // it is down
		}
	}
}
