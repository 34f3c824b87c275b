//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/rendezvous"
)

// processes is how many processes the nodes are in.
const processes = 3

// crowds are those processes.
type crowds struct {
	watchers int
	nodes    int // that there are
	before   int // that there were before
	waits    int // how often they were told to await somebody
	all      []*process
	news     chan struct{} // one of them has said something
}

func (c *crowds) sum() (sum report) {
	for _, p := range c.all {
		p.mu.Lock()
		r := p.latest
		p.mu.Unlock()
		sum.Present, sum.Exits, sum.Told, sum.Waits = sum.Present+r.Present, sum.Exits+r.Exits, sum.Told+r.Told, sum.Waits+r.Waits
		if r.Last.After(sum.Last) {
			sum.Last = r.Last
		}
		sum.Fault += r.Fault
	}
	return sum
}

func startCrowds(ctx context.Context, address string, watchers int) (*crowds, error) {
	c := &crowds{watchers: watchers, news: make(chan struct{}, 1)}
	for n := range processes {
		p, err := startProcess(ctx, c.news, "crowd", address, fmt.Sprint(n))
		if err != nil {
			c.end()
			return nil, err
		}
		c.all = append(c.all, p)
		p.say("watchers %d", share(watchers, n))
	}
	return c, nil
}

// share returns how many of some the nth process has.
func share(all, n int) int { return (all + processes - 1 - n) / processes }

func (c *crowds) end() {
	for _, p := range c.all {
		p.end()
	}
}

// grow has more nodes be there, and waits until they are and know each other.
func (c *crowds) grow(ctx context.Context, n int) error {
	c.before, c.nodes = c.nodes, n
	for i, p := range c.all {
		p.say("grow %d", share(n, i))
	}
	return c.await(ctx, func(all report) bool { return all.Present == n })
}

// patience is how long something may take until it is given up.
const patience = 5 * time.Minute

func (c *crowds) await(ctx context.Context, is func(all report) bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		all := c.sum()
		if all.Fault != "" {
			return fmt.Errorf("nodes: %s", all.Fault)
		}
		if is(all) {
			return nil
		}
		select {
		case <-c.news:
		case <-ctx.Done():
			return fmt.Errorf("in vain: %+v: %w", all, ctx.Err())
		}
	}
}

// delay returns how long it takes from when a node begins to connect until the last watcher
// is told of it: the least of five, since what else the machine does only makes it longer.
func (c *crowds) delay(ctx context.Context, address string) (time.Duration, error) {
	a, err := rendezvous.ParseAddress(address)
	if err != nil {
		return 0, err
	}
	var delays []time.Duration
	for range 5 {
		l, err := newLight(a, source{from: net.IPv4(127, 2, 0, 1)}, watched, "nobody")
		if err != nil {
			return 0, err
		}
		for _, p := range c.all {
			p.say("await %s", l.id)
			c.waits++
		}
		if err := c.await(ctx, func(all report) bool { return all.Waits == c.waits && all.Told == 0 }); err != nil {
			return 0, err
		}
		began := time.Now()
		l.start(func(uuid.UUID) {})
		err = c.await(ctx, func(all report) bool { return all.Told == c.watchers })
		l.end()
		if err != nil {
			return 0, err
		}
		delays = append(delays, c.sum().Last.Sub(began))
	}
	return slices.Min(delays), nil
}

// process is one that has a crowd of nodes.
type process struct {
	command *exec.Cmd
	orders  io.WriteCloser
	over    chan struct{}

	mu     sync.Mutex
	latest report
}

// startProcess starts this program to be something else, and has news of it told.
func startProcess(ctx context.Context, news chan<- struct{}, args ...string) (*process, error) {
	own, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{command: exec.CommandContext(ctx, own, args...), over: make(chan struct{})}
	p.command.Stderr = os.Stderr
	if p.orders, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.over)
		for in := json.NewDecoder(out); ; {
			var r report
			err := in.Decode(&r)
			p.mu.Lock()
			if p.latest = r; err != nil {
				p.latest.Fault = "they have ended"
			}
			p.mu.Unlock()
			select {
			case news <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	}()
	return p, nil
}

func (p *process) say(text string, args ...any) { fmt.Fprintf(p.orders, text+"\n", args...) }

// end has the process end, and waits for that.
func (p *process) end() {
	_ = p.orders.Close()
	<-p.over
	_ = p.command.Wait() // it was told to end
}
