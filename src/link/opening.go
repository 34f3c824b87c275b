package link

import (
	"cmp"
	"io"
	"net"
	"os"
	"syscall"
)

// opening is a connection during the handshake. It reads all that is there, and writes what
// is said before it waits for more, so that what is said in turn goes out together.
type opening struct {
	net.Conn
	raw  syscall.RawConn // nil if the connection cannot be tried without waiting
	pool *Pool
	came *buffer // what was read and not yet taken; nil for nothing
	at   int     // of it what is to be taken next
	said []byte  // what is yet to be written
}

// Write notes what is to be written.
func (o *opening) Write(b []byte) (int, error) {
	o.said = append(o.said, b...)
	return len(b), nil
}

// flush writes what was said.
func (o *opening) flush() (err error) {
	if said := o.said; len(said) > 0 {
		o.said = nil
		_, err = o.Conn.Write(said)
	}
	return err
}

// Read takes what came, and waits for it if nothing has.
func (o *opening) Read(b []byte) (int, error) {
	if o.raw == nil {
		if err := o.flush(); err != nil {
			return 0, err
		}
		return o.Conn.Read(b)
	}
	if o.came == nil {
		if err := o.fetch(); err != nil {
			return 0, err
		}
	}
	n := copy(b, o.came.b[o.at:])
	if o.at += n; o.at == len(o.came.b) {
		o.pool.put(o.came)
		o.came, o.at = nil, 0
	}
	return n, nil
}

// fetch reads what is there. While it waits it holds no buffer: anybody may have us wait.
func (o *opening) fetch() (err error) {
	waited := o.raw.Read(func(fd uintptr) bool {
		var n int
		b := o.pool.get(smallBuffer)
		if n, err = tryRead(fd, b.b[:cap(b.b)]); n > 0 {
			b.b = b.b[:n]
			o.came = b
			return true
		}
		o.pool.put(b)
		switch err {
		case nil:
			err = io.EOF
		case syscall.EAGAIN:
			err = o.flush()
			return err != nil
		default:
			err = os.NewSyscallError("read", err)
		}
		return true
	})
	return cmp.Or(waited, err)
}

// rest returns what was read beyond the handshake, nil for nothing.
func (o *opening) rest() *buffer {
	if b := o.came; b != nil {
		b.b = b.b[:copy(b.b, b.b[o.at:])]
	}
	return o.came
}
