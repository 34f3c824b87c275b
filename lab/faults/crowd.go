//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// crowded is how many start at the same moment.
const crowded = 16

// crowd has many start at the same moment, who have one server, and waits until all see all.
func crowd(ctx context.Context, s setting, plan plan) (r row, err error) {
	began := time.Now()
	s.nodes, s.mode = crowded, once.SecuritySecure
	r.what = fmt.Sprintf("%v, a crowd", s)
	p := &play{setting: s, processes: make([]*process, crowded)}
	p.ctx, p.cancel = context.WithCancel(ctx)
	var h *host
	defer func() {
		if e := p.end(); err == nil {
			err = e
		}
		if h != nil {
			h.end()
		}
		r.peak, r.took = p.peaked, time.Since(began)
	}()
	if p.dir, err = os.MkdirTemp("", "once-faults-*"); err != nil {
		return r, err
	}
	if h, err = p.host("yes"); err != nil {
		return r, err
	}
	var work sync.WaitGroup
	faults := make([]error, crowded)
	for i := range crowded {
		work.Go(func() {
			p.processes[i], faults[i] = startProcess(p.ctx, birth{
				Nodes: crowded, Me: i, Life: 1, Security: s.mode, Dir: filepath.Join(p.dir, fmt.Sprint("identity ", i)), Servers: []string{h.address},
			})
		})
	}
	work.Wait()
	for _, fault := range faults {
		if fault != nil {
			return r, fault
		}
	}
	begun := time.Now()
	if err := p.present(); err != nil {
		return r, err
	}
	p.tell("all see all %v after all have started", time.Since(begun).Round(time.Millisecond))
	if err := p.say(100 * crowded); err != nil {
		return r, err
	}
	if err := p.settle(); err != nil {
		return r, err
	}
	return r, p.count(&r)
}
