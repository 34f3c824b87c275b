package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/once"
)

const (
	callerName = "caller"
	group      = "bench"
)

// onceStack uses @Once as a program would: its nodes find each other by beacon.
type onceStack struct{}

// Listen starts a node for each receiver and waits until all know the caller.
func (onceStack) Listen(ctx context.Context, o order, tell func(string) error) (peers []peer, err error) {
	for i := range o.Trial.Receivers {
		p, err := newOnce(ctx, fmt.Sprintf("receiver %d", i), o)
		if err != nil {
			closeAll(peers)
			return nil, err
		}
		peers = append(peers, p)
	}
	if err = tell("beacon"); err == nil {
		for _, p := range peers {
			err = errors.Join(err, p.(*oncePeer).meet(ctx, func(who string) bool { return who == callerName }, 1))
		}
	}
	if err != nil {
		closeAll(peers)
		return nil, err
	}
	return peers, nil
}

// Call starts a node and waits until it knows all receivers.
func (onceStack) Call(ctx context.Context, o order) (peer, error) {
	p, err := newOnce(ctx, callerName, o)
	if err != nil {
		return nil, err
	}
	p.shouts = o.Trial.Receivers > 1
	if err := p.meet(ctx, func(string) bool { return true }, o.Trial.Receivers); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

type oncePeer struct {
	node   *once.Node
	to     uuid.UUID
	shouts bool       // to all in the group, instead of whispering to one
	batch  once.Batch // of events, read up to next
	next   int
}

func newOnce(ctx context.Context, name string, o order) (*oncePeer, error) {
	node, err := once.Start(ctx, once.Config{
		Name: name, Groups: []string{group}, Interfaces: []string{"127.0.0.1"}, BeaconPort: o.Beacon, Security: o.Trial.Security,
	})
	return &oncePeer{node: node}, err
}

// meet waits until n peers whose names are wanted have joined the group.
func (p *oncePeer) meet(ctx context.Context, wanted func(name string) bool, n int) error {
	for n > 0 {
		event, err := p.event(ctx)
		if err != nil {
			return err
		}
		if join, ok := event.(*once.Join); ok && wanted(join.Peer.Name()) {
			p.to = join.Peer.UUID()
			n--
		}
	}
	return nil
}

// event returns the next event, which is valid until the one after it.
func (p *oncePeer) event(ctx context.Context) (once.Event, error) {
	if p.next == 0 || p.next == p.batch.Len() {
		batch, err := p.node.NextBatch(ctx)
		if err != nil {
			return nil, err
		}
		p.batch, p.next = batch, 0
	}
	p.next++
	return p.batch.At(p.next - 1), nil
}

func (p *oncePeer) Send(ctx context.Context, content []byte) error {
	if p.shouts {
		_, err := p.node.Shout(ctx, group, content)
		return err
	}
	return p.node.Whisper(ctx, p.to, content)
}

func (p *oncePeer) Receive(ctx context.Context, handle func([]byte) (bool, error)) error {
	for more := true; more; {
		event, err := p.event(ctx)
		if err != nil {
			return err
		}
		switch e := event.(type) {
		case *once.Whisper:
			more, err = handle(e.Content[0])
		case *once.Shout:
			more, err = handle(e.Content[0])
		case *once.Exit:
			if e.Peer.UUID() == p.to {
				err = fmt.Errorf("the other end is gone: %s", e.Reason)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *oncePeer) Close() error { return p.node.Close() }
