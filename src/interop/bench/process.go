package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"time"
)

// patience is what starting, acquaintance and ending of two processes may take.
const patience = 20 * time.Second

// An order tells a child process what to do.
type order struct {
	Trial    trial
	Duration time.Duration
	Caller   bool   // sends; otherwise listens
	Address  string // of the listener, for the caller
	Beacon   int    // UDP port for stacks that find each other
}

// A child prints a line with its address if it listens, then its result, and
// stays until its standard input ends, so that what it sent last is not lost.
type child struct {
	command *exec.Cmd
	stdin   io.Closer
	lines   *bufio.Scanner
}

// measure runs one trial between two new processes; the reference, which has no
// groups, shouts to one receiver. They give up after duration
// and patience together; if they do not even do that, they are killed.
func measure(ctx context.Context, t trial, duration time.Duration) (r result, err error) {
	ctx, cancel := context.WithTimeout(ctx, duration+patience+5*time.Second)
	defer cancel()
	if t.Stack == reference {
		t.Receivers = 1
	}
	port, err := freePort()
	if err != nil {
		return result{}, err
	}
	o := order{Trial: t, Duration: duration, Beacon: port}
	listener, err := start(ctx, o)
	if err != nil {
		return result{}, err
	}
	defer func() { err = errors.Join(err, listener.stop()) }()
	o.Caller = true
	if o.Address, err = listener.line(); err != nil {
		return result{}, err
	}
	caller, err := start(ctx, o)
	if err != nil {
		return result{}, err
	}
	defer func() { err = errors.Join(err, caller.stop()) }()
	called, err := caller.result()
	if err != nil {
		return result{}, err
	}
	heard, err := listener.result()
	heard.P50, heard.P99 = called.P50, called.P99
	heard.Allocs = max(called.Allocs, heard.Allocs)
	return heard, err
}

func start(ctx context.Context, o order) (*child, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{command: exec.CommandContext(ctx, program, "-child", string(text))}
	// CZMQ allows 1,024 sockets by default and takes over signals.
	c.command.Env = append(os.Environ(), "ZSYS_MAX_SOCKETS=0", "ZSYS_SIGHANDLER=false")
	c.command.Stderr = os.Stderr
	if c.stdin, err = c.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.lines = bufio.NewScanner(out)
	return c, c.command.Start()
}

func (c *child) line() (string, error) {
	if !c.lines.Scan() {
		return "", errors.Join(errors.New("a child process ended early"), c.lines.Err())
	}
	return c.lines.Text(), nil
}

func (c *child) result() (r result, err error) {
	text, err := c.line()
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal([]byte(text), &r)
}

// stop lets the process end, and waits for it.
func (c *child) stop() error {
	return errors.Join(c.stdin.Close(), c.command.Wait())
}

// A parent is what a child tells.
type parent struct {
	in  io.Reader
	out io.Writer
}

func (p parent) tell(line string) error {
	_, err := fmt.Fprintln(p.out, line)
	return err
}

// report tells a result and waits until the parent is done with this process.
func (p parent) report(r result) error {
	text, err := json.Marshal(r)
	if err == nil {
		err = p.tell(string(text))
	}
	if err == nil {
		_, err = io.Copy(io.Discard, p.in)
	}
	return err
}

// runChild carries out an order.
func runChild(ctx context.Context, text string, in io.Reader, out io.Writer) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return fmt.Errorf("-child: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, o.Duration+patience)
	defer cancel()
	stack, err := stackNamed(o.Trial.Stack)
	if err != nil {
		return err
	}
	if o.Caller {
		return call(ctx, stack, o, parent{in, out})
	}
	return listen(ctx, stack, o, parent{in, out})
}

// freePort returns a UDP port that no one on loopback uses.
func freePort() (int, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return 0, err
	}
	return conn.LocalAddr().(*net.UDPAddr).Port, conn.Close()
}
