package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// natsStack is NATS core: what one end publishes reaches the other through a server, which
// runs in the process of the one that listens. It has no other security than none.
type natsStack struct{}

// Subjects of the two ends.
const (
	toListener = "listener"
	toCaller   = "caller"
)

// settling is the longest that the server may take until it serves.
const settling = 10 * time.Second

func (natsStack) Listen(_ context.Context, _ order, tell func(string) error) ([]peer, error) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true})
	if err != nil {
		return nil, err
	}
	go s.Start() // until Shutdown, which natsPeer.Close waits for
	p := &natsPeer{server: s}
	if !s.ReadyForConnections(settling) {
		err = errors.New("the server of NATS does not start")
	} else if err = p.connect(s.ClientURL(), toListener, toCaller); err == nil {
		err = tell(s.ClientURL())
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return []peer{p}, nil
}

func (natsStack) Call(_ context.Context, o order) (peer, error) {
	p := new(natsPeer)
	if err := p.connect(o.Address, toCaller, toListener); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

type natsPeer struct {
	server *server.Server // nil for the caller
	conn   *nats.Conn
	to     string
	next   chan handler // who takes messages from now on
	ended  chan error   // one for each of them
	now    handler      // the subscription's
	lost   chan error   // the first error of the connection
}

type handler func(content []byte) (more bool, err error)

// connect subscribes to a subject, without limits: what is slow is waited for, not dropped.
func (p *natsPeer) connect(url, own, to string) (err error) {
	p.to, p.next, p.ended, p.lost = to, make(chan handler), make(chan error), make(chan error, 1)
	lost := func(_ *nats.Conn, _ *nats.Subscription, err error) {
		select {
		case p.lost <- err:
		default:
		}
	}
	if p.conn, err = nats.Connect(url, nats.ErrorHandler(lost), nats.NoReconnect()); err != nil {
		return err
	}
	subscription, err := p.conn.Subscribe(own, p.take)
	if err == nil {
		err = subscription.SetPendingLimits(-1, -1)
	}
	if err == nil {
		err = p.conn.Flush()
	}
	return err
}

// take hands a message to who receives.
func (p *natsPeer) take(m *nats.Msg) {
	if p.now == nil {
		p.now = <-p.next
	}
	if more, err := p.now(m.Data); err != nil || !more {
		p.now = nil
		p.ended <- err
	}
}

func (p *natsPeer) Send(_ context.Context, content []byte) error {
	return p.conn.Publish(p.to, content)
}

func (p *natsPeer) Receive(ctx context.Context, handle func([]byte) (bool, error)) error {
	next, ended := p.next, (chan error)(nil)
	for {
		select {
		case next <- handle:
			next, ended = nil, p.ended
		case err := <-ended:
			return err
		case err := <-p.lost:
			return fmt.Errorf("nats: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p *natsPeer) Close() error {
	if p.conn != nil {
		p.conn.Close()
	}
	if p.server != nil {
		p.server.Shutdown()
		p.server.WaitForShutdown()
	}
	return nil
}
