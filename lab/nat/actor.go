//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// actor is a peer in a site.
type actor struct {
	kind  kind
	space string
	words []string // it was started with
	env   []string
	input io.WriteCloser
	end   func() // has it end, and waits until it has
	id    uuid.UUID

	mu      sync.Mutex
	reports []report
	news    chan struct{} // closed at each report
}

// start runs a command in a namespace, and returns what it is told and says.
func start(space, log string, env []string, words ...string) (*exec.Cmd, io.WriteCloser, *bufio.Scanner, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, nil, err
	}
	c := exec.Command("ip", append([]string{"netns", "exec", space, self}, words...)...)
	c.Env = append(os.Environ(), env...)
	if c.Stderr, err = os.Create(log); err != nil {
		return nil, nil, nil, err
	}
	in, err1 := c.StdinPipe()
	out, err2 := c.StdoutPipe()
	if err := errors.Join(err1, err2, c.Start()); err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w", space, err)
	}
	return c, in, bufio.NewScanner(out), nil
}

// read takes what a peer reports.
func (a *actor) read(lines *bufio.Scanner) {
	for lines.Scan() {
		var r report
		if json.Unmarshal(lines.Bytes(), &r) != nil {
			continue
		}
		a.mu.Lock()
		if r.What == "here" {
			a.id = r.Peer
		}
		a.reports = append(a.reports, r)
		close(a.news)
		a.news = make(chan struct{})
		a.mu.Unlock()
	}
}

// await waits until a peer has reported something that fits.
func (a *actor) await(within time.Duration, fits func(report) bool) (report, bool) {
	limit := time.After(within)
	for {
		a.mu.Lock()
		at, news := slices.IndexFunc(a.reports, fits), a.news
		var r report
		if at >= 0 {
			r = a.reports[at]
		}
		a.mu.Unlock()
		if at >= 0 {
			return r, true
		}
		select {
		case <-news:
		case <-limit:
			return report{}, false
		}
	}
}

// next is closed at the next report.
func (a *actor) next() chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.news
}

// last returns the last that a peer has reported of another.
func (a *actor) last(id uuid.UUID, what string) (last report, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range slices.Backward(a.reports) {
		if r.Peer == id && r.What == what {
			return r, true
		}
	}
	return last, false
}

// best returns the last link to a peer that a peer has reported.
func (a *actor) best(id uuid.UUID) report {
	best, _ := a.last(id, "found")
	return best
}

// tried returns what a peer has reported of its attempts to reach another.
func (a *actor) tried(id uuid.UUID) (list []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.reports {
		if r.Peer == id && (r.What == "tried" || r.What == "fault") {
			list = append(list, r.Rung+" "+r.Text)
		}
	}
	return list
}
