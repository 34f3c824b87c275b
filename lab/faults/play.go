//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// play is what is under way: nodes, and what stands between them.
type play struct {
	setting
	ctx       context.Context
	cancel    context.CancelFunc
	began     time.Time
	dir       string
	proxy     *proxy  // nil for nodes who meet over servers
	hosts     []*host // those servers
	processes []*process
	short     bool // time-outs
	peaked    int  // octets that a process had in memory at most
	said      int  // up to which step all are let
}

// perform has something be done with a play, and ends that.
func perform(ctx context.Context, s setting, r *row, do func(*play) error) (err error) {
	p := &play{setting: s, began: time.Now(), processes: make([]*process, s.nodes)}
	if p.dir, err = os.MkdirTemp("", "once-faults-*"); err != nil {
		return err
	}
	p.ctx, p.cancel = context.WithCancel(ctx)
	defer func() {
		if e := p.end(); err == nil {
			err = e
		}
		r.peak, r.took = max(r.peak, p.peaked), r.took+time.Since(p.began)
	}()
	return do(p)
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

// goOn has all say something, and waits until it was heard.
func (p *play) goOn(steps int) error {
	if err := p.say(p.said + steps); err != nil {
		return err
	}
	return p.settle()
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

// rest waits before something is looked at again.
func rest(ctx context.Context, wait time.Duration) error {
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stacks ends all processes, and has them tell where they were, if that is wanted.
func (p *play) stacks() {
	if !p.verbose {
		return
	}
	if p.proxy != nil {
		for _, c := range p.proxy.live() {
			for _, pipe := range c.pipes {
				fmt.Println(pipe)
			}
		}
	}
	for _, one := range p.processes {
		_ = one.command.Process.Signal(syscall.SIGQUIT) // it may have ended
		_ = one.command.Wait()                          // so it does
		fmt.Println(nameOf(one.Me), one.faults.String())
	}
}

// present waits until all know each other.
func (p *play) present() error {
	return p.await("all to know each other", func(all []report) bool {
		for i, r := range all {
			for j, a := range r.Peers {
				if i != j && (!a.Present || a.UUID != p.processes[j].UUID) {
					return false
				}
			}
		}
		return true
	})
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

// count holds what all have heard against the contract.
func (p *play) count(r *row) error {
	list, err := p.each(order{Do: "state"})
	for i, one := range list {
		for j, a := range one.Peers {
			if i == j {
				continue
			}
			r.add(a)
			r.back += a.Back
			r.needs(a.Enters == 1 && a.Exits == 0, "%s sees %s enter %d times, and exit %d times", nameOf(i), nameOf(j), a.Enters, a.Exits)
		}
	}
	r.needs(r.lost+r.doubled+r.disorder+r.wrong+r.back == 0, "%d messages are lost, %d came twice, %d in another order, %d are wrong, %d came back", r.lost, r.doubled, r.disorder, r.wrong, r.back)
	for _, one := range p.processes {
		r.needs(!one.errs(), "%s logs an error: %s", nameOf(one.Me), strings.TrimSpace(one.faults.String()))
	}
	return err
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
	for _, h := range p.hosts {
		h.end()
	}
	return errors.Join(append(faults, os.RemoveAll(p.dir))...)
}

// tell tells what is done, if that is wanted.
func (p *play) tell(format string, args ...any) {
	if p.verbose {
		fmt.Printf(format+"\n", args...)
	}
}
