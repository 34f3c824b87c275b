package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long a test waits for what must come. With the race detector a passphrase
// takes half a minute.
const patience = time.Minute

// TestMain makes this binary the program, for tests that run it as a process.
func TestMain(m *testing.M) {
	if os.Getenv("BE_THE_PROGRAM") != "" {
		os.Exit(run())
	}
	goleak.VerifyTestMain(m)
}

// network is a port on loopback, of UDP and of TCP, that only one test uses.
type network struct {
	t    *testing.T
	port int
}

// ports counts the ports that tests have got. They are below those that a system gives
// to whoever asks for any, so that nobody has one by chance while nobody listens there.
var ports atomic.Int32

func newNetwork(t *testing.T) network {
	t.Helper()
	t.Parallel()
	for range 1000 {
		port := 10000 + (os.Getpid()*100+int(ports.Add(1)))%10000
		if free(port) {
			return network{t, port}
		}
	}
	t.Fatal("no port is free from 10000 to 19999")
	return network{}
}

// free tells whether nobody listens on a port.
func free(port int) bool {
	address := fmt.Sprintf("127.0.0.1:%d", port)
	packets, err := net.ListenPacket("udp4", address)
	if err != nil {
		return false
	}
	defer packets.Close()
	listener, err := net.Listen("tcp4", address)
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

// server returns an endpoint on the network's port.
func (n network) server() string { return fmt.Sprintf("tcp://127.0.0.1:%d", n.port) }

// command returns the program, ready to start.
func (n network) command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = []string{"BE_THE_PROGRAM=1", "ONCE_INTERFACE=127.0.0.1", "ONCE_PORT=" + strconv.Itoa(n.port),
		"TERM=xterm", "GORACE=atexit_sleep_ms=0"}
	return cmd
}

// process is the program as it runs.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *os.File
	lines  chan string  // of standard output
	errors bytes.Buffer // of standard error; complete when it has exited
	seen   []string
	ended  bool
}

// start starts the program. It ends with the test at the latest.
func (n network) start(args ...string) *process {
	n.t.Helper()
	return n.run(n.command(args...))
}

func (n network) run(cmd *exec.Cmd) *process {
	n.t.Helper()
	p := &process{t: n.t, cmd: cmd, lines: make(chan string, 1000)}
	cmd.Stderr = &p.errors
	in, err := cmd.StdinPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	p.in, p.out = in, out.(*os.File)
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			p.lines <- scanner.Text()
		}
	}()
	n.t.Cleanup(func() {
		if !p.ended {
			_ = cmd.Process.Kill() // it may have ended meanwhile
			p.drain()
			_ = cmd.Wait() // killed
		}
	})
	return p
}

func (p *process) drain() {
	for line := range p.lines {
		p.seen = append(p.seen, line)
	}
}

// says types a line.
func (p *process) says(line string) {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.in, line); err != nil {
		p.t.Fatal(err)
	}
}

// sees waits for a line that matches a pattern, and returns its groups.
func (p *process) sees(pattern string) []string {
	p.t.Helper()
	expression := regexp.MustCompile(pattern)
	deadline := time.After(patience)
	for {
		select {
		case line, more := <-p.lines:
			if !more {
				p.t.Fatalf("%q ended before %q; it wrote:\n%s", p.cmd.Args[1:], pattern, strings.Join(p.seen, "\n"))
			}
			p.seen = append(p.seen, line)
			if match := expression.FindStringSubmatch(line); match != nil {
				return match
			}
		case <-deadline:
			p.t.Fatalf("%q never wrote %q, but:\n%s", p.cmd.Args[1:], pattern, strings.Join(p.seen, "\n"))
		}
	}
}

// seesAll waits for a line for each pattern, in whatever order they come.
func (p *process) seesAll(patterns ...string) {
	p.t.Helper()
	for len(patterns) > 0 {
		p.sees(strings.Join(patterns, "|"))
		line := p.seen[len(p.seen)-1]
		patterns = slices.DeleteFunc(patterns, func(pattern string) bool {
			return regexp.MustCompile(pattern).MatchString(line)
		})
	}
}

// exits waits until the program has ended, and checks its exit status.
func (p *process) exits(status int) {
	p.t.Helper()
	timer := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	p.drain()
	_ = p.cmd.Wait() // the status is checked below
	p.ended = true
	if !timer.Stop() {
		p.t.Fatalf("%q did not end by itself; it wrote:\n%s", p.cmd.Args[1:], strings.Join(p.seen, "\n"))
	}
	if got := p.cmd.ProcessState.ExitCode(); got != status {
		p.t.Fatalf("%q: status %d, want %d; it wrote:\n%s\n%s",
			p.cmd.Args[1:], got, status, strings.Join(p.seen, "\n"), p.errors.String())
	}
}

// complains checks that standard error matches a pattern.
func (p *process) complains(pattern string) {
	p.t.Helper()
	if got := p.errors.String(); !regexp.MustCompile(pattern).MatchString(got) {
		p.t.Errorf("%q complained %q, want %q", p.cmd.Args[1:], got, pattern)
	}
}

func (p *process) closeInput() {
	p.t.Helper()
	if err := p.in.Close(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) interrupt() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		p.t.Fatal(err)
	}
}
