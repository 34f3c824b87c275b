package link

import (
	"cmp"
	"context"
	"net"
	"os"
	"time"

	"github.com/sjohnr/at-once/src/zmtp"
)

// Shaker is a connection that brings its own ZMTP. Open has it do the handshake,
// within ctx. From then on the link reads and writes plain frames of whole messages,
// as they are with NULL, whatever becomes of them on the network: the Cipher of the
// result is nil. Commands are the connection's own affair, so that Minor is 0 and
// Config.Heartbeat is for it to obey. It shows no Config.Properties.
type Shaker interface {
	Handshake(ctx context.Context, c Config) (*zmtp.Result, error)
}

// delegate lets a connection do the handshake within ctx and c.Handshake.
func delegate(ctx context.Context, conn Shaker, c *Config) (*zmtp.Result, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.Handshake, os.ErrDeadlineExceeded)
	defer cancel()
	c.Properties = nil
	return conn.Handshake(ctx, *c)
}

// Greet begins the handshake of a server of CURVE, which Open is to go on with, with
// [Config.Greeted]: so a client learns that somebody is there who has it wait.
func Greet(conn net.Conn) error {
	_, err := conn.Write(zmtp.NewCurveHandshake(zmtp.Metadata{}, zmtp.Curve{}, nil).Outgoing())
	return err
}

// Prolong gives the handshake over a connection, that [Open] was given with ctx, another time
// from now on. It is for [zmtp.Curve.Afford].
func Prolong(ctx context.Context, conn net.Conn, wait time.Duration) error {
	if err := conn.SetDeadline(time.Now().Add(wait)); err != nil {
		return err
	}
	return context.Cause(ctx) // which may have set a deadline before
}

// shake does the handshake within ctx and c.Handshake. What it returns beside the result has
// what was said and read last, and is nil for a connection that brings its own.
func shake(ctx context.Context, conn net.Conn, c *Config) (*zmtp.Result, *opening, error) {
	if own, ok := conn.(Shaker); ok {
		remote, err := delegate(ctx, own, c)
		return remote, nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(c.Handshake)); err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	local := zmtp.Metadata{Type: c.Type, Identity: c.Identity, Others: c.Properties}
	handshake := zmtp.NewHandshake(local)
	if c.Curve != nil {
		handshake = zmtp.NewCurveHandshake(local, *c.Curve, conn.RemoteAddr())
	}
	if c.Greeted {
		handshake.Outgoing()
	}
	o := &opening{Conn: conn, raw: rawConn(conn), pool: c.Pool}
	remote, err := handshake.Run(o)
	if err != nil || !c.Held {
		err = cmp.Or(err, o.flush())
	}
	if !stop() {
		return nil, nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, nil, err
	}
	return remote, o, conn.SetDeadline(time.Time{})
}
