//go:build czmq

package czmq

import (
	"context"
	"fmt"
	"slices"

	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/z85"
	"github.com/sjohnr/at-once/src/zmtp"
)

// Handshake has libzmq do the handshake. A ROUTER and a server of CURVE wait for the
// first message too, with which libzmq tells who sends it.
func (c *conn) Handshake(ctx context.Context, config link.Config) (*zmtp.Result, error) {
	result := &zmtp.Result{Remote: &zmtp.Metadata{Partial: true}}
	curve, ready := config.Curve, &c.writable
	if curve != nil && curve.Server != nil {
		result.Key, curve = [32]byte(curve.Server.Bytes()), nil
	}
	if curve != nil && curve.Afford != nil { // libzmq does not tell when it comes to that
		if err := curve.Afford(); err != nil {
			return nil, err
		}
	}
	if curve != nil {
		if err := zap.start(); err != nil {
			return nil, err
		}
		defer zap.stop()
	}
	if config.Type == zmtp.Router || curve != nil {
		ready = &c.readable
	}
	if err := c.open(&config); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.end(context.Cause(ctx), true) })
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.await(ready)
	if err == nil && ready == &c.readable {
		err = c.hear(config.Type, curve, result)
	}
	if !stop() {
		return nil, context.Cause(ctx)
	}
	if config.Curve == nil {
		err = c.learn(result, err)
	}
	return result, err
}

// open connects a socket to the far side.
func (c *conn) open(config *link.Config) error {
	s, err := setUp(config)
	if err != nil {
		return err
	}
	if c.near, err = s.plug(); err != nil {
		s.close(0)
		return err
	}
	c.socket = s
	c.limit(config)
	if config.Curve == nil {
		c.follower = zmtp.NewHandshake(zmtp.Metadata{Type: config.Type})
	}
	c.work.Go(c.relay)
	c.work.Go(func() {
		s.watch(func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.wake()
		})
	})
	return nil
}

// hear receives the first message, and learns of the far side. If we are its server,
// curve is ours.
func (c *conn) hear(kind string, curve *zmtp.Curve, result *zmtp.Result) error {
	if kind == zmtp.Router {
		id, _, err := c.socket.receive()
		if err != nil {
			return err
		}
		if c.id, c.begun = slices.Clone(id), true; id[0] != 0 { // else the ROUTER has made it up
			result.Remote.Identity = c.id
		}
	}
	err := c.receive()
	if err == nil && curve != nil {
		result.Key, err = c.admit(curve, result.Remote)
	}
	return err
}

// admit asks whether to let a client in. Nothing of its message is delivered yet.
func (c *conn) admit(curve *zmtp.Curve, far *zmtp.Metadata) (key [32]byte, err error) {
	if key, err = z85.Key(c.socket.user()); err != nil {
		return key, fmt.Errorf("%w: nobody has told the key", zmtp.ErrCurve)
	}
	return key, curve.Admits(key, c.RemoteAddr(), far)
}

// overheard is what can be known of a handshake without security, which libzmq does
// not tell: a handshake of our own follows what the far side says.
type overheard struct {
	follower *zmtp.Handshake // nil with CURVE
	said     []byte          // less than it waits for
}

// overhear listens to what the far side says.
func (o *overheard) overhear(b []byte) {
	for o.follower != nil && o.follower.Next() > 0 && len(b) > 0 {
		n := min(o.follower.Next()-len(o.said), len(b))
		o.said, b = append(o.said, b[:n]...), b[n:]
		if len(o.said) == o.follower.Next() {
			o.follower.Receive(o.said)
			o.said = nil
		}
	}
}

// learn puts what was overheard into a result, or a better reason in place of err.
func (o *overheard) learn(result *zmtp.Result, err error) error {
	seen, bad := o.follower.Result()
	if seen != nil {
		result.Remote = seen.Remote
	}
	if err != nil && bad != nil {
		return bad
	}
	return err
}
