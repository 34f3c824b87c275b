//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/sjohnr/at-once/bindings/go/once/server"
)

// runServer is a rendezvous server with what it knows in a directory, until standard input
// ends or it is told to end. It prints the address that nodes need.
func runServer(ctx context.Context, directory, listen, external, relays string) error {
	c := server.Config{Directory: directory, Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	for _, set := range [][2]string{{"listen", "tcp://" + listen}, {"external", external}, {"relay", relays}, {"drain", "1s"}} {
		if err := c.Set(set[0], set[1]); err != nil {
			return err
		}
	}
	s, err := server.Start(ctx, c)
	if err != nil {
		return err
	}
	defer s.Close()
	fmt.Println(s.Address())
	over := make(chan struct{})
	go func() { // until the process ends
		defer close(over)
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return s.Drain(context.Background())
	}
}

// host is a rendezvous server in a process of its own, behind a ferry.
type host struct {
	*ferry
	ctx     context.Context
	dir     string
	relays  string
	address string // that nodes know it by
	command *exec.Cmd
	lives   int
}

// newHost starts a server that lends circuits, or not.
func newHost(ctx context.Context, dir, relays string) (*host, error) {
	f, err := newFerry()
	if err != nil {
		return nil, err
	}
	h := &host{ferry: f, ctx: ctx, dir: dir, relays: relays}
	if err := h.start(); err != nil {
		h.end()
		return nil, err
	}
	return h, nil
}

// start starts the server, with what it knew before.
func (h *host) start() error {
	own, err := os.Executable()
	if err != nil {
		return err
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	at := free.Addr().String()
	if err := free.Close(); err != nil {
		return err
	}
	c := exec.CommandContext(h.ctx, own, "server", h.dir, at, h.ferry.String(), h.relays)
	c.Stderr = os.Stderr
	if _, err = c.StdinPipe(); err != nil { // which ends with this process
		return err
	}
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		return err
	}
	h.command = c
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		return errors.New("a server does not start")
	}
	h.leads(at)
	if h.address == "" {
		h.address, err = server.NewNetwork(lines.Text())
	}
	return err
}

// bare returns the address by which nodes reach the server itself, and not by what lies before it.
func (h *host) bare() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Replace(h.address, h.ferry.String(), h.to, 1)
}

// end kills the server, and closes its ferry.
func (h *host) end() {
	if h.command != nil {
		h.kill()
	}
	h.close()
}

func (h *host) kill() {
	_ = h.command.Process.Kill() // it may have ended
	_ = h.command.Wait()
}

// swap has another process serve from now on, while the one before tells its nodes to go.
func (h *host) swap() error {
	last := h.command
	h.lives++
	next := fmt.Sprintf("%s.%d", h.dir, h.lives)
	if err := copyFiles(h.dir, next); err != nil {
		return err
	}
	h.dir = next
	if err := h.start(); err != nil {
		return err
	}
	err := last.Process.Signal(syscall.SIGTERM)
	_ = last.Wait()
	return err
}

// copyFiles makes a directory with the files of another.
func copyFiles(from, to string) error {
	list, err := os.ReadDir(from)
	if err = errors.Join(err, os.Mkdir(to, 0o700)); err != nil {
		return err
	}
	for _, one := range list {
		if !one.Type().IsRegular() {
			continue
		}
		content, err := os.ReadFile(filepath.Join(from, one.Name()))
		if err = errors.Join(err, os.WriteFile(filepath.Join(to, one.Name()), content, 0o600)); err != nil {
			return err
		}
	}
	return nil
}
