package link

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/sjohnr/at-once/src/zmtp"
)

// Nobody is a connection that leads to nobody: the frames that it was given come from it, and
// then nothing until it is closed. What is written is kept until somebody takes it, and then
// goes nowhere. It needs no handshake, and shows nothing of a far side.
type Nobody struct {
	net.Conn // whose far side says nothing
	far      net.Conn

	mu    sync.Mutex
	comes []byte
	said  []byte
	taken bool
}

var _ Shaker = (*Nobody)(nil)

// ToNobody returns a connection from which these frames come, which are its own from now on.
func ToNobody(comes []byte) *Nobody {
	near, far := net.Pipe()
	return &Nobody{Conn: near, far: far, comes: comes}
}

// Handshake does nothing.
func (*Nobody) Handshake(context.Context, Config) (*zmtp.Result, error) {
	return &zmtp.Result{Remote: new(zmtp.Metadata)}, nil
}

// Read reads what comes.
func (n *Nobody) Read(b []byte) (int, error) {
	n.mu.Lock()
	got := copy(b, n.comes)
	n.comes = n.comes[got:]
	n.mu.Unlock()
	if got > 0 || len(b) == 0 {
		return got, nil
	}
	got, err := n.Conn.Read(b)
	if errors.Is(err, io.ErrClosedPipe) {
		err = net.ErrClosed
	}
	return got, err
}

// Write keeps what is written, if nobody has taken that.
func (n *Nobody) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.taken {
		n.said = append(n.said, b...)
	}
	return len(b), nil
}

// Take returns what was written: whole messages, as frames. Nothing is kept from then on.
func (n *Nobody) Take() []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	said := n.said
	n.said, n.taken = nil, true
	return said
}

// Close ends the connection.
func (n *Nobody) Close() error {
	n.Take()
	err := n.Conn.Close()
	_ = n.far.Close() // of a pipe, which never fails
	return err
}
