package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// A peer is one end of a conversation; one goroutine uses it.
type peer interface {
	// Send sends a message to the other end, or to all receivers.
	Send(ctx context.Context, content []byte) error
	// Receive calls handle with each message until that returns false or an
	// error. The content is handle's until it returns.
	Receive(ctx context.Context, handle func(content []byte) (more bool, err error)) error
	Close() error
}

// A stack makes peers that have found each other.
type stack interface {
	// Listen tells the caller's order.Address, and returns a peer for each of
	// the trial's receivers.
	Listen(ctx context.Context, o order, tell func(address string) error) ([]peer, error)
	Call(ctx context.Context, o order) (peer, error)
}

var stacks = map[string]stack{"once": onceStack{}, reference: goczmqStack{}, "nats": natsStack{}, "tcp": tcpStack{}}

func stackNamed(name string) (stack, error) {
	if s, ok := stacks[name]; ok {
		return s, nil
	}
	var names []string
	for known := range stacks {
		names = append(names, known)
	}
	slices.Sort(names)
	return nil, fmt.Errorf("no stack is called %q; there are: %s", name, strings.Join(names, ", "))
}

// A message starts with its number from 0 up, in 8 octets. One of a single octet
// is the last, and is answered with the same when it has arrived.
var last = []byte{'.'}

var errOrder = errors.New("a message is lost, doubled, or of the wrong length")

func checkMessage(content []byte, want uint64, size int) error {
	if len(content) != size || binary.BigEndian.Uint64(content) != want {
		return fmt.Errorf("message %d: %w", want, errOrder)
	}
	return nil
}

// A tally is what one receiver counted.
type tally struct {
	messages    uint64
	first, last time.Time
}

// listen receives, or answers, until the caller's last message.
func listen(ctx context.Context, s stack, o order, to parent) error {
	peers, err := s.Listen(ctx, o, to.tell)
	if err != nil {
		return err
	}
	defer closeAll(peers)
	tallies, errs := make([]tally, len(peers)), make([]error, len(peers))
	before := mallocs()
	var receivers sync.WaitGroup
	for i, p := range peers {
		receivers.Go(func() { tallies[i], errs[i] = receive(ctx, p, o.Trial) })
	}
	receivers.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	sum := tallies[0]
	for _, t := range tallies[1:] {
		sum.messages += t.messages
		if t.first.Before(sum.first) {
			sum.first = t.first
		}
		if t.last.After(sum.last) {
			sum.last = t.last
		}
	}
	messages := float64(sum.messages)
	return to.report(result{
		Rate:   messages / sum.last.Sub(sum.first).Seconds(),
		Allocs: float64(mallocs()-before) / messages,
	})
}

// receive checks, counts and, if asked to, answers messages.
func receive(ctx context.Context, p peer, t trial) (got tally, err error) {
	err = p.Receive(ctx, func(content []byte) (bool, error) {
		if len(content) == len(last) {
			got.last = time.Now()
			return false, p.Send(ctx, last)
		}
		if got.messages == 0 {
			got.first = time.Now()
		}
		if err := checkMessage(content, got.messages, t.Size); err != nil {
			return false, err
		}
		got.messages++
		if t.Echo {
			return true, p.Send(ctx, content)
		}
		return true, nil
	})
	if err == nil && got.messages == 0 {
		err = errors.New("nothing but the last message has arrived")
	}
	return got, err
}

// call sends for the order's duration, and then waits until all has arrived.
func call(ctx context.Context, s stack, o order, to parent) error {
	p, err := s.Call(ctx, o)
	if err != nil {
		return err
	}
	defer closeAll([]peer{p})
	var r result
	before, sent := mallocs(), uint64(0)
	if o.Trial.Echo {
		sent, r, err = ping(ctx, p, o)
	} else {
		sent, err = source(ctx, p, o)
	}
	if err != nil {
		return err
	}
	r.Allocs = float64(mallocs()-before) / float64(sent)
	if err := finish(ctx, p, o.Trial.Receivers); err != nil {
		return err
	}
	return to.report(r)
}

// finish sends the last message and waits until all receivers have it.
func finish(ctx context.Context, p peer, receivers int) error {
	if err := p.Send(ctx, last); err != nil {
		return err
	}
	return p.Receive(ctx, func(content []byte) (bool, error) {
		if len(content) != len(last) {
			return false, errOrder
		}
		receivers--
		return receivers > 0, nil
	})
}

// source sends as fast as the stack takes messages.
func source(ctx context.Context, p peer, o order) (sent uint64, err error) {
	content := make([]byte, o.Trial.Size)
	for end := time.Now().Add(o.Duration); ; {
		if sent%32 == 0 && sent > 0 && !time.Now().Before(end) {
			return sent, nil
		}
		binary.BigEndian.PutUint64(content, sent)
		if err := p.Send(ctx, content); err != nil {
			return sent, err
		}
		sent++
	}
}

// ping sends a message when the one before has been answered, and times it. The
// first tenth of the duration is to warm up.
func ping(ctx context.Context, p peer, o order) (sent uint64, r result, err error) {
	content, times := make([]byte, o.Trial.Size), make([]float64, 0, 1<<20)
	began := time.Now()
	asked := began
	if err = p.Send(ctx, content); err != nil {
		return 0, r, err
	}
	err = p.Receive(ctx, func(answer []byte) (bool, error) {
		now := time.Now()
		if err := checkMessage(answer, sent, o.Trial.Size); err != nil {
			return false, err
		}
		sent++
		if now.Sub(began) > o.Duration/10 && len(times) < cap(times) {
			times = append(times, float64(now.Sub(asked))/float64(time.Microsecond))
		}
		if now.Sub(began) > o.Duration {
			return false, nil
		}
		binary.BigEndian.PutUint64(content, sent)
		asked = time.Now()
		return true, p.Send(ctx, content)
	})
	return sent, result{P50: quantile(times, 0.5), P99: quantile(times, 0.99)}, err
}

func closeAll(peers []peer) {
	for _, p := range peers {
		if err := p.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "bench: closing:", err)
		}
	}
}

// mallocs returns how many objects the process has allocated so far.
func mallocs() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.Mallocs
}
