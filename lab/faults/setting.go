//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sjohnr/at-once/bindings/go/once"
	"github.com/sjohnr/at-once/src/seal"
)

// setting is who talks, and how.
type setting struct {
	nodes   int
	mode    once.Security
	seed    uint64
	verbose bool
}

func (s setting) String() string { return fmt.Sprintf("%d nodes, %v", s.nodes, s.mode) }

// overhead is how many octets a frame of content is larger in the setting than what is said.
func (s setting) overhead() int {
	switch s.mode {
	case once.SecurityAuto:
		return seal.Size([][]byte{make([]byte, least)}) - least
	case once.SecuritySecure:
		return len("\x07MESSAGE") + 8 + 16 + 1 // the number of the frame, what proves it, and its flags
	}
	return 0
}

// play is what is under way.
type play struct {
	setting
	ctx       context.Context
	cancel    context.CancelFunc
	chance    *rand.Rand
	proxy     *proxy
	dir       string
	processes []*process
	short     bool // time-outs
	peaked    int  // octets that a process had in memory at most
	said      int  // up to which step all are let
	cuts      int  // how often all was cut
}

// begin starts the nodes, and waits until they know each other.
func begin(ctx context.Context, s setting, short bool) (p *play, err error) {
	p = &play{setting: s, chance: rand.New(rand.NewPCG(s.seed, uint64(s.nodes)<<8+uint64(s.mode))), short: short}
	p.ctx, p.cancel = context.WithCancel(ctx)
	defer func() {
		if err != nil {
			p.end()
		}
	}()
	if p.dir, err = os.MkdirTemp("", "once-faults-*"); err != nil {
		return p, err
	}
	if p.proxy, err = newProxy(p.ctx, s.nodes); err != nil {
		return p, err
	}
	p.processes = make([]*process, s.nodes)
	for i := range p.processes {
		if err = p.start(i, 1); err != nil {
			return p, err
		}
	}
	for i, one := range p.processes {
		for _, other := range p.processes[i+1:] {
			if err = p.meet(one, other); err != nil {
				return p, err
			}
		}
	}
	return p, p.present()
}

// start starts a node, in a life of its own.
func (p *play) start(number int, life uint32) (err error) {
	b := birth{
		Nodes: p.nodes, Me: number, Life: life, Security: p.mode,
		Advertise: p.proxy.fronts[number].endpoint, Taken: p.takenBy(number), Short: p.short,
	}
	if p.mode != once.SecurityPlain { // else nobody has an identity
		b.Dir = filepath.Join(p.dir, fmt.Sprint("identity ", number))
	}
	p.processes[number], err = startProcess(p.ctx, b)
	if err == nil {
		at, _, _ := strings.Cut(strings.TrimPrefix(p.processes[number].Endpoint, "tcp://"), "|")
		p.proxy.fronts[number].leads(at)
		p.proxy.runs(number, p.processes[number].command.Process.Pid)
	}
	return err
}

// takenBy returns the file with what a node has taken, if it keeps one.
func (p *play) takenBy(number int) string {
	if !p.short {
		return ""
	}
	return filepath.Join(p.dir, fmt.Sprint("taken ", number))
}

// meet has one node connect to another, through the proxy.
func (p *play) meet(one, other *process) error {
	endpoint := p.proxy.fronts[other.Me].endpoint
	if _, key, secure := strings.Cut(other.Endpoint, "|"); secure {
		endpoint += "|" + key
	}
	_, err := one.tell(order{Do: "meet", UUID: other.UUID, Endpoint: endpoint})
	return err
}

// each tells all nodes that run the same, and returns how they are then.
func (p *play) each(o order) ([]report, error) {
	list := make([]report, len(p.processes))
	for i, one := range p.processes {
		if one.command.ProcessState != nil { // it was killed
			continue
		}
		var err error
		if list[i], err = one.tell(o); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// say lets all nodes go on up to a step.
func (p *play) say(step int) error {
	p.said = max(p.said, step)
	_, err := p.each(order{Do: "say", Step: p.said})
	return err
}

// await waits until something is so of all nodes.
func (p *play) await(what string, is func([]report) bool) error {
	for deadline := time.Now().Add(patience); ; {
		list, err := p.each(order{Do: "state"})
		if err != nil {
			return err
		}
		if is(list) {
			return nil
		}
		if time.Now().After(deadline) {
			p.stacks()
			return fmt.Errorf("waited in vain for %s: %+v", what, list)
		}
		if err := rest(p.ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

// stacks ends all processes, and has them tell where they were, if that is wanted.
func (p *play) stacks() {
	var live []*conn
	if p.proxy != nil {
		live = p.proxy.live()
	}
	for _, c := range live {
		for _, pipe := range c.pipes {
			pipe.mu.Lock()
			p.tell("connection of %d with %d: from %d: %d octets read, %d passed on, %d wait; held %v, ended %v", c.dialler, c.server, pipe.from,
				pipe.parser.at, pipe.sent, len(pipe.b), pipe.held, pipe.ended || pipe.eof)
			pipe.mu.Unlock()
		}
	}
	for _, one := range p.processes {
		if p.verbose {
			_ = one.command.Process.Signal(syscall.SIGQUIT) // it may have ended
			_ = one.command.Wait()                          // so it does
			fmt.Println(nameOf(one.Me), one.faults.String())
		}
	}
}

// rest waits before something is looked at again.
func rest(ctx context.Context, wait time.Duration) error {
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// heard tells whether all that was said so far was heard, by all but who is away.
func (p *play) heard(all []report, away int) bool {
	for i, r := range all {
		if i != away && (r.Step < p.said || !r.Idle) {
			return false
		}
		for j := range all {
			if i != j && i != away && j != away && all[j].Peers[i].Next != (script{p.nodes, i}).next(p.said, j) {
				return false
			}
		}
	}
	return true
}

// settle waits until all that was said was heard.
func (p *play) settle() error {
	return p.await("all to be heard", func(all []report) bool { return p.heard(all, -1) })
}

// end ends all there is.
func (p *play) end() error {
	var faults []error
	for _, one := range p.processes {
		if one != nil && one.command.ProcessState == nil {
			p.peaked = max(p.peaked, one.peak())
			faults = append(faults, one.end())
		}
	}
	p.cancel()
	if p.proxy != nil {
		p.proxy.close()
	}
	return errors.Join(append(faults, os.RemoveAll(p.dir))...)
}

// tell tells what is done, if that is wanted.
func (p *play) tell(format string, args ...any) {
	if p.verbose {
		fmt.Printf(format+"\n", args...)
	}
}
