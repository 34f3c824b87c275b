//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// server is a process of the program, in a directory of its own.
type server struct {
	program string
	dir     string
	listen  string
	address string // with SECRET
	process *exec.Cmd
}

// startServer starts a server on a free port.
func startServer(ctx context.Context, program string, args ...string) (*server, error) {
	dir, err := os.MkdirTemp("", "once-load-*")
	if err != nil {
		return nil, err
	}
	s := &server{program: program, dir: dir}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		s.listen = "tcp://" + free.Addr().String()
		err = free.Close()
	}
	if err == nil {
		s.address, err = s.start(ctx, args...)
	}
	if err != nil {
		s.clean()
		return nil, err
	}
	return s, nil
}

// start starts the process, and returns the address that it prints.
func (s *server) start(ctx context.Context, args ...string) (string, error) {
	s.process = exec.Command(s.program, append([]string{"server", "--identity", filepath.Join(s.dir, "identity"), "--listen", s.listen}, args...)...)
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	defer log.Close()
	s.process.Stderr = log
	out, err := s.process.StdoutPipe()
	if err == nil {
		err = s.process.Start()
	}
	if err != nil {
		return "", err
	}
	defer context.AfterFunc(ctx, func() { _ = s.process.Process.Kill() })()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("the server does not start: %w: %s", err, s.log())
	}
	return strings.TrimSpace(line), nil
}

// again starts the server again on one core, which other processes may use too.
func (s *server) again(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return err
	}
	for cpu := 0; one.Count() == 0; cpu++ {
		if all.IsSet(cpu) {
			one.Set(cpu)
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return err
	}
	_, err := s.start(ctx)
	return errors.Join(err, unix.SchedSetaffinity(0, &all))
}

func (s *server) log() string {
	text, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// kill ends the process as it is.
func (s *server) kill() error {
	if err := s.process.Process.Kill(); err != nil {
		return err
	}
	_ = s.process.Wait() // it was killed
	return nil
}

func (s *server) clean() {
	if s.process != nil && s.process.ProcessState == nil && s.process.Process != nil {
		_ = s.kill() // it may have ended
	}
	_ = os.RemoveAll(s.dir)
}

// resident returns how many octets of the process are in memory now, peak how many were at most.
func (s *server) resident() int { return s.status("VmRSS:") }
func (s *server) peak() int     { return s.status("VmHWM:") }

func (s *server) status(name string) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.Process.Pid))
	if err != nil {
		panic(fmt.Errorf("the server has ended: %w: %s", err, s.log()))
	}
	_, rest, _ := strings.Cut(string(text), name)
	return number(strings.Fields(rest)[0]) << 10
}

// busy returns how much of one core, in percent, the process uses in a time.
func (s *server) busy(ctx context.Context, during time.Duration) (float64, error) {
	before := s.used()
	select {
	case <-time.After(during):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	return 100 * (s.used() - before).Seconds() / during.Seconds(), nil
}

// used returns how long the process was on a core.
func (s *server) used() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.process.Process.Pid))
	if err != nil {
		panic(fmt.Errorf("the server has ended: %w: %s", err, s.log()))
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var ticks int
	for _, field := range fields[11:13] { // user and system time
		n, err := strconv.Atoi(field)
		if err != nil {
			panic(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100 // of USER_HZ
}
