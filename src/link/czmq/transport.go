//go:build czmq

package czmq

import (
	"context"
	"net"

	"github.com/sjohnr/at-once/src/link"
)

// Transport is link.TCP with connections that leave ZMTP to libzmq. They are for
// link.Open only.
type Transport struct{}

// Listen listens on an endpoint.
func (Transport) Listen(ctx context.Context, endpoint string) (net.Listener, error) {
	l, err := link.TCP{}.Listen(ctx, endpoint)
	if err != nil {
		return nil, err
	}
	return listener{l}, nil
}

// Dial connects to an endpoint.
func (Transport) Dial(ctx context.Context, endpoint string) (net.Conn, error) {
	return newConn(link.TCP{}.Dial(ctx, endpoint))
}

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) { return newConn(l.Listener.Accept()) }

func newConn(far net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: far}
	c.readable.L, c.writable.L, c.emptied.L = &c.mu, &c.mu, &c.mu
	return c, nil
}
