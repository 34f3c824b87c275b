//go:build unix

package link

import (
	"net"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// rawConn gives access to the descriptor of a connection, so that reading and
// writing can be tried without waiting; nil if there is none.
func rawConn(conn net.Conn) syscall.RawConn {
	var raw syscall.RawConn
	var err error
	switch c := conn.(type) {
	case *net.TCPConn:
		raw, err = c.SyscallConn()
	case *net.UnixConn:
		raw, err = c.SyscallConn()
	}
	if err != nil {
		return nil
	}
	return raw
}

// readable tells whether reading would not wait.
func readable(fd uintptr) bool {
	fds := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds[:], 0)
	return n > 0 || err != nil && err != unix.EINTR // reading tells what is wrong
}

// tryRead reads once. It returns syscall.EAGAIN if there is nothing to be read,
// and 0 at the end.
func tryRead(fd uintptr, b []byte) (n int, err error) {
	for {
		n, err = syscall.Read(int(fd), b)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

// tryWrite writes what the operating system takes now, which may be nothing.
func tryWrite(fd uintptr, b []byte) (n int, err error) {
	for {
		n, err = syscall.Write(int(fd), b)
		switch err {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return 0, nil
		}
		return max(n, 0), err
	}
}

// pause waits for some microseconds, with a thread but no processor: timers of Go take
// a millisecond. If there is one processor only, who would be waited for has no other.
func pause(gap time.Duration) {
	if runtime.GOMAXPROCS(0) > 1 {
		timeout := unix.NsecToTimeval(gap.Nanoseconds())
		_, _ = unix.Select(0, nil, nil, nil, &timeout) // it matters little how it ends
	}
}
