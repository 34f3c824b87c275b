package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// ErrAbsent says that nobody listens at the socket.
var ErrAbsent = errors.New("it does not share the node, or not any more")

// socketName is the file of the socket in the directory of an identity.
const socketName = "control"

// maxPath is the longest path of a socket on all systems: that of the BSDs has 104 octets,
// the last of them zero.
const maxPath = 103

// Listen listens at the socket of a directory. Who calls it has the lock of the directory:
// whatever is there was left by a process that has ended.
//
// Connections of other users are turned away and counted.
func Listen(dir string, count func(string)) (listener net.Listener, err error) {
	path := filepath.Join(dir, socketName)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	err = within(dir, func(short string) (err error) {
		listener, err = net.Listen("unix", short)
		return err
	})
	if err != nil {
		return nil, err
	}
	unix := listener.(*net.UnixListener)
	unix.SetUnlinkOnClose(false) // by a path that may be there no more
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, unix.Close(), os.Remove(path))
	}
	return &socket{unix, count, sync.OnceValue(func() error {
		err := os.Remove(path) // first: who comes then finds nobody, and not somebody who is about to end
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return errors.Join(err, unix.Close())
	})}, nil
}

// socket is a listener that takes its file along.
type socket struct {
	*net.UnixListener
	count func(string)
	close func() error // the file may be somebody else's after the first time
}

// Accept takes a connection of the same user.
func (s *socket) Accept() (net.Conn, error) {
	for {
		conn, err := s.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if user, err := userOf(conn); err == nil && user == os.Getuid() {
			return conn, nil
		}
		s.count("control connections of other users")
		_ = conn.Close() // it has not been used
	}
}

// Close ends the listening, and removes the file.
func (s *socket) Close() error { return s.close() }

// Dial connects to the socket of a directory. The error is ErrAbsent if nobody listens.
func Dial(ctx context.Context, dir string) (conn net.Conn, err error) {
	err = within(dir, func(short string) (err error) {
		var dialer net.Dialer
		conn, err = dialer.DialContext(ctx, "unix", short)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		err = fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	return conn, err
}

// within calls a function with the path of the socket in a directory, or with a shorter one
// that leads there while it runs.
func within(dir string, use func(path string) error) error {
	path := filepath.Join(dir, socketName)
	if len(path) <= maxPath {
		return use(path)
	}
	target, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	bridge, err := os.MkdirTemp("", "once")
	if err != nil {
		return err
	}
	defer os.RemoveAll(bridge)
	link := filepath.Join(bridge, "d")
	if err := os.Symlink(target, link); err != nil {
		return fmt.Errorf("the path of %s is too long for a socket: %w", path, err)
	}
	return use(filepath.Join(link, socketName))
}
