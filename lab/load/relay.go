//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/client"
	"github.com/sjohnr/at-once/src/seal"
	"github.com/sjohnr/at-once/src/zmtp"
)

// The limits of a relay.
const (
	minRelayed = 400_000 // messages of 64 octets a second
	minShare   = 40      // percent of the direct rate at 64 KiB
	tries      = 3
)

// relayed measures whispers, sealed inside CURVE, from one node to another, directly and
// through a relay that is a process of its own.
func relayed(ctx context.Context, p plan, program string, v *verdict) error {
	s, err := startServer(ctx, program, "--relay", "yes")
	if err != nil {
		return err
	}
	defer s.clean()
	address, err := rendezvous.ParseAddress(s.address)
	if err != nil {
		return err
	}
	rates := map[bool][2]float64{} // of small and large messages, through the relay or not
	for range tries {
		for _, through := range []bool{false, true} {
			best := rates[through]
			for i, size := range []int{64, 64 << 10} {
				rate, err := whispers(ctx, address, through, size, p.whispering)
				if err != nil {
					return err
				}
				best[i] = max(best[i], rate)
			}
			rates[through] = best
		}
	}
	direct, far := rates[false], rates[true]
	long := p.whispering >= full.whispering // what is measured for less tells little
	v.note("seconds of a core that the relay needed in all", s.used().Seconds())
	v.note("whispers of 64 octets a second, directly", int(direct[0]))
	v.atLeast("the same through a relay", int(far[0]), minRelayed, long)
	v.note("MiB a second in whispers of 64 KiB, directly", int(direct[1]/16))
	v.note("the same through a relay", int(far[1]/16))
	v.atLeast("share of the direct rate, in %", int(100*far[1]/direct[1]), minShare, long)
	return nil
}

// whispers returns how many messages of a size arrive in a second.
func whispers(ctx context.Context, address rendezvous.Address, through bool, size int, during time.Duration) (float64, error) {
	connect := direct
	if through {
		connect = func(ctx context.Context, ana, ben *identity.Identity) (near, far net.Conn, over func(), err error) {
			return circuit(ctx, address, ana, ben)
		}
	}
	var who [2]*identity.Identity
	for i := range who {
		own, err := identity.New()
		if err == nil {
			_, err = own.Issue(1, time.Now())
		}
		if err != nil {
			return 0, err
		}
		who[i] = own
	}
	near, far, over, err := connect(ctx, who[0], who[1])
	if err != nil {
		return 0, err
	}
	defer over()
	return measure(ctx, who[0], who[1], near, far, size, during)
}

func direct(ctx context.Context, _, _ *identity.Identity) (near, far net.Conn, over func(), err error) {
	l, err := link.TCP{}.Listen(ctx, "tcp://127.0.0.1:*")
	if err != nil {
		return nil, nil, nil, err
	}
	defer l.Close()
	if near, err = (link.TCP{}).Dial(ctx, "tcp://"+l.Addr().String()); err == nil {
		far, err = l.Accept()
	}
	return near, far, func() {}, err
}

// circuit returns both ends of a circuit, which the server lends to one node that asks for
// one to the other.
func circuit(ctx context.Context, address rendezvous.Address, ana, ben *identity.Identity) (near, far net.Conn, over func(), err error) {
	lent := make(chan *client.Circuit, 1)
	asks := newNode(address, link.TCP{}, ana, "room", "room", nil)
	other := newNode(address, link.TCP{}, ben, "room", "room", func(c *client.Circuit) { lent <- c })
	for _, n := range []*light{asks, other} {
		n.start(func(uuid.UUID) {})
	}
	over = func() { asks.end(); other.end() }
	err = until(ctx, func() bool { return asks.present() && other.present() })
	var first *client.Circuit
	if err == nil {
		first, err = asks.Circuit(ctx, other.id, nil, nil)
	}
	if err == nil {
		near, err = first.Dial(ctx)
	}
	if err == nil {
		far, err = (<-lent).Dial(ctx)
	}
	if err != nil {
		over()
	}
	return near, far, over, err
}

// measure sends from one end of a connection to the other.
func measure(ctx context.Context, ana, ben *identity.Identity, near, far net.Conn, size int, during time.Duration) (float64, error) {
	challenge := make([]byte, 32)
	sender, open, err := seal.Open(ana, ana.Card(), ben.Card(), challenge, 1)
	if err != nil {
		return 0, err
	}
	receiver, _, err := seal.Accept(ben, ana.Card(), challenge, 0, open)
	if err != nil {
		return 0, err
	}
	from, to, err := links(ctx, ana, ben, near, far)
	if err != nil {
		return 0, err
	}
	var arrived atomic.Int64
	var work sync.WaitGroup
	work.Go(func() { _ = from.Serve(func(b *link.Batch) error { b.Release(); return nil }) })
	var fault error
	work.Go(func() {
		var frames [][]byte
		fault = to.Serve(func(b *link.Batch) error {
			defer b.Release()
			for i := range b.Len() {
				opened, _, err := receiver.Open(b.Message(i)[0], frames[:0])
				if err != nil || len(opened) != 1 || len(opened[0]) != size {
					return errors.Join(errors.New("what arrives is not what was sent"), err)
				}
			}
			arrived.Add(int64(b.Len()))
			return nil
		})
	})
	content := [][]byte{bytes.Repeat([]byte("x"), size)}
	sealed := seal.Size(content)
	began := time.Now()
	for time.Since(began) < during {
		for range 1 + (16<<10)/size { // a look at the clock for each would count
			room, err := from.Reserve(ctx, len(zmtp.AppendHeader(nil, sealed, false))+sealed)
			if err != nil {
				return 0, err
			}
			sender.Append(zmtp.AppendHeader(room[:0], sealed, false), content)
			from.Commit()
		}
	}
	rate := float64(arrived.Load()) / time.Since(began).Seconds()
	err = errors.Join(from.Close(), to.Close())
	work.Wait()
	if !errors.Is(fault, link.ErrClosed) && err == nil && rate == 0 {
		err = fmt.Errorf("nothing arrives: %w", fault)
	}
	return rate, err
}

// links opens both ends, with CURVE.
func links(ctx context.Context, ana, ben *identity.Identity, near, far net.Conn) (from, to *link.Link, err error) {
	opened := make(chan error)
	go func() {
		var err error
		to, err = link.Open(ctx, far, link.Config{Type: zmtp.Router, Curve: &zmtp.Curve{Key: ben.Transport(), Admit: func([32]byte, net.Addr, *zmtp.Metadata) error { return nil }}})
		opened <- err
	}()
	key, err := ecdh.X25519().NewPublicKey(ben.Transport().PublicKey().Bytes())
	if err == nil {
		from, err = link.Open(ctx, near, link.Config{Type: zmtp.Dealer, Curve: &zmtp.Curve{Key: ana.Transport(), Server: key}})
	}
	return from, to, errors.Join(err, <-opened)
}
