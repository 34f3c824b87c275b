//go:build czmq

package czmq

// #cgo pkg-config: libczmq libzmq
// #cgo noescape zmq_getsockopt
// #cgo nocallback zmq_getsockopt
// #cgo noescape zmq_msg_recv
// #cgo nocallback zmq_msg_recv
// #cgo noescape zmq_send
// #cgo nocallback zmq_send
// #include <czmq.h>
import "C"

import (
	"errors"
	"math"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/zeromq/goczmq"
	"golang.org/x/sys/unix"

	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/z85"
	"github.com/sjohnr/at-once/src/zmtp"
)

// CZMQ must not be used first by two threads at a time, and has a limit of 1,024
// sockets.
func init() { C.zmq_ctx_set(C.zsys_init(), C.ZMQ_MAX_SOCKETS, C.int(C.zsys_socket_limit())) }

// descriptors is more than a connection takes of them. CZMQ aborts the process when
// there is none left for a socket.
const descriptors = 8

var sockets atomic.Int64

// patience is the number of heartbeats after which a silent far side counts as dead.
const patience = 3

// socket is a socket that may be used from any goroutine, by one at a time. Nothing
// but watch waits. A nil one is never ready.
//
// Goczmq makes it and sets it up. Messages bypass goczmq, which does not tell errors
// apart: libzmq fails with EINTR at any time, because of the signals of Go's scheduler.
type socket struct {
	frame  C.zmq_msg_t // the last one received; first, so that it is aligned
	events C.int
	*goczmq.Sock
	handle unsafe.Pointer // what libzmq knows the socket by
	ready  *os.File       // becomes readable when there is something to be seen
}

// setUp returns a socket that does as a link's configuration says.
func setUp(c *link.Config) (*socket, error) {
	kind := map[string]int{zmtp.Dealer: goczmq.Dealer, zmtp.Router: goczmq.Router}[c.Type]
	s, err := newSocket(kind)
	if err != nil {
		return nil, err
	}
	s.SetMaxmsgsize(min(c.MaxMessage, math.MaxInt32))
	if kind == goczmq.Router {
		s.SetRouterMandatory(1) // or messages for which there is no room are lost
	}
	if c.Heartbeat > 0 {
		interval := int(max(c.Heartbeat/time.Millisecond, 1))
		s.SetHeartbeatIvl(interval)
		s.SetHeartbeatTimeout(patience * interval)
	}
	if err := errors.Join(s.identify(c.Identity), s.secure(c.Curve)); err != nil {
		s.close(0)
		return nil, err
	}
	return s, nil
}

// secure gives the socket our side of CURVE.
func (s *socket) secure(c *zmtp.Curve) error {
	if c == nil {
		return nil
	}
	cert, err := goczmq.NewCertFromKeys(c.Key.PublicKey().Bytes(), c.Key.Bytes())
	if err != nil {
		return err
	}
	defer cert.Destroy()
	cert.Apply(s.Sock)
	if c.Server != nil {
		s.SetCurveServerkey(z85.Encode(c.Server.Bytes()))
	} else {
		s.SetCurveServer(1)
		s.SetZapDomain(zapDomain)
	}
	return nil
}

// plug connects to the socket, by a name that nobody else can use and that is gone
// afterwards.
func (s *socket) plug() (*net.UnixConn, error) {
	dir, err := os.MkdirTemp("", "once")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "libzmq")
	if err := s.bind("ipc://" + name); err != nil {
		return nil, err
	}
	return net.DialUnix("unix", nil, &net.UnixAddr{Name: name, Net: "unix"})
}

func newSocket(kind int) (*socket, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return nil, os.NewSyscallError("getrlimit", err)
	}
	if n := sockets.Add(1); uint64(n) > min(limit.Cur/descriptors, math.MaxUint16/2) {
		sockets.Add(-1)
		return nil, os.NewSyscallError("socket", syscall.EMFILE)
	}
	s := &socket{Sock: goczmq.NewSock(kind)}
	// Goczmq does not give the handle away.
	s.handle = C.zsock_resolve(reflect.ValueOf(s.Sock).Elem().FieldByName("zsockT").UnsafePointer())
	C.zmq_msg_init(&s.frame)
	fd, err := unix.FcntlInt(uintptr(s.Fd()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		s.close(0)
		return nil, os.NewSyscallError("dup", err)
	}
	s.ready = os.NewFile(uintptr(fd), "libzmq")
	return s, nil
}

// close ends watch and then the socket. What it has sent goes out within so many
// milliseconds, -1 for any time.
func (s *socket) close(linger int) {
	_ = s.ready.Close()
	C.zmq_msg_close(&s.frame)
	s.SetLinger(linger)
	s.Destroy()
	sockets.Add(-1)
}

// watch calls look, at once and then whenever state may have changed since the last
// call of poll, until close.
func (s *socket) watch(look func()) {
	raw, err := s.ready.SyscallConn()
	if err != nil {
		return // closed
	}
	_ = raw.Read(func(uintptr) bool { look(); return false })
}

// poll tells whether the socket can receive or send. What it does not tell now, watch
// will.
func (s *socket) poll() (in, out bool) {
	if s == nil {
		return false, false
	}
	size := C.size_t(unsafe.Sizeof(s.events))
	for {
		rc, err := C.zmq_getsockopt(s.handle, C.ZMQ_EVENTS, unsafe.Pointer(&s.events), &size)
		switch {
		case rc == 0:
			return s.events&C.ZMQ_POLLIN != 0, s.events&C.ZMQ_POLLOUT != 0
		case err != syscall.EINTR:
			return true, true // receive and send will say why
		}
	}
}

// receive returns a frame, which is valid until the next call, or EAGAIN.
func (s *socket) receive() (frame []byte, more bool, err error) {
	for s != nil {
		rc, err := C.zmq_msg_recv(&s.frame, s.handle, C.ZMQ_DONTWAIT)
		if rc >= 0 {
			size := C.zmq_msg_size(&s.frame)
			return unsafe.Slice((*byte)(C.zmq_msg_data(&s.frame)), size), C.zmq_msg_more(&s.frame) != 0, nil
		}
		if err != syscall.EINTR {
			return nil, false, err
		}
	}
	return nil, false, syscall.EAGAIN
}

// user returns what the ZAP handler has made known of who sent the last frame.
func (s *socket) user() string {
	name := C.CString("User-Id")
	defer C.free(unsafe.Pointer(name))
	return C.GoString(C.zmq_msg_gets(&s.frame, name))
}

// send sends a frame, or returns EAGAIN. Once the first frame of a message is sent,
// there is room for the others.
func (s *socket) send(frame []byte, more bool) error {
	var flags C.int = C.ZMQ_DONTWAIT
	if more {
		flags |= C.ZMQ_SNDMORE
	}
	for s != nil {
		rc, err := C.zmq_send(s.handle, unsafe.Pointer(unsafe.SliceData(frame)), C.size_t(len(frame)), flags)
		if rc >= 0 {
			return nil
		}
		if err != syscall.EINTR {
			return err
		}
	}
	return syscall.EAGAIN
}

// bind is Bind, but no signal is in its way.
func (s *socket) bind(endpoint string) (err error) {
	for range 10 {
		if _, err = s.Bind(endpoint); err == nil {
			return nil
		}
	}
	return err
}

// identify is SetIdentity for any octets.
func (s *socket) identify(id []byte) error {
	rc, err := C.zmq_setsockopt(s.handle, C.ZMQ_ROUTING_ID, unsafe.Pointer(unsafe.SliceData(id)), C.size_t(len(id)))
	if rc == 0 || len(id) == 0 {
		return nil
	}
	return err
}
