//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// process is a node in a process of its own.
type process struct {
	birth
	born
	command *exec.Cmd
	in      io.WriteCloser
	answers *json.Decoder
	faults  tail
}

// startProcess starts this program once more, as a node.
func startProcess(ctx context.Context, b birth) (*process, error) {
	own, err := os.Executable()
	if b.Ahead != 0 {
		own, err = skewed("faults")
	}
	if err != nil {
		return nil, err
	}
	p := &process{birth: b, command: exec.CommandContext(ctx, own, "peer")}
	if b.Ahead != 0 {
		p.command.Env = skewedBy(b.Ahead)
	}
	b.Parent = time.Now()
	p.command.Stderr = &p.faults
	if p.in, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.command.StdoutPipe()
	if err == nil {
		err = p.command.Start()
	}
	if err != nil {
		return nil, err
	}
	p.answers = json.NewDecoder(out)
	if err = json.NewEncoder(p.in).Encode(b); err == nil {
		err = p.answers.Decode(&p.born)
	}
	if err != nil {
		p.kill()
		return nil, fmt.Errorf("%s does not start: %w: %s", nameOf(b.Me), err, p.faults.String())
	}
	return p, nil
}

// tell has the process do something, and returns how it is then.
func (p *process) tell(o order) (r report, err error) {
	if err = json.NewEncoder(p.in).Encode(o); err == nil {
		err = p.answers.Decode(&r)
	}
	switch {
	case err != nil:
		return r, fmt.Errorf("%s: %w: %s", nameOf(p.Me), err, p.faults.String())
	case r.Fault != "":
		return r, fmt.Errorf("%s: %s", nameOf(p.Me), r.Fault)
	}
	return r, nil
}

// errs tells whether the node has logged an error.
func (p *process) errs() bool { return strings.Contains(p.faults.String(), "level=ERROR") }

// kill ends the process as it is.
func (p *process) kill() {
	_ = p.command.Process.Kill() // it may have ended
	_ = p.command.Wait()         // it was killed
}

// end lets the process end by itself.
func (p *process) end() error {
	err := json.NewEncoder(p.in).Encode(order{Do: "end"})
	timer := time.AfterFunc(patience, p.kill)
	defer timer.Stop()
	if err = errors.Join(err, p.command.Wait()); err != nil {
		return fmt.Errorf("%s: %w: %s", nameOf(p.Me), err, p.faults.String())
	}
	return nil
}

// peak returns how many octets of the process were in memory at most.
func (p *process) peak() int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	kib := 0
	_, _ = fmt.Sscan(rest, &kib) // it is a number
	return kib << 10
}

// tail keeps the end of what a process says of its faults.
type tail struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.b.Len() > 256<<10 {
		t.b.Next(128 << 10)
	}
	return t.b.Write(b)
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}
