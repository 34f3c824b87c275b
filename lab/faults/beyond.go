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
	"time"

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

// host starts a server that lends circuits, or not.
func (p *play) host(relays string) (*host, error) {
	f, err := newFerry()
	if err != nil {
		return nil, err
	}
	h := &host{ferry: f, ctx: p.ctx, dir: filepath.Join(p.dir, "server "+relays), relays: relays}
	if err := h.start(); err != nil {
		h.end()
		return nil, err
	}
	return h, nil
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

// beyond are what befalls two that meet over servers, in turn.
var beyond = []struct {
	name string
	long bool // until all is heard
	do   func(p *play, meets, relays *host) error
}{
	{"the relay is killed", false, func(p *play, _, relays *host) error { return p.dies(relays) }},
	{"the server is killed", false, func(p *play, meets, _ *host) error { return p.dies(meets) }},
	{"both are killed", false, func(p *play, meets, relays *host) error {
		relays.kill()
		return errors.Join(p.dies(meets), relays.start())
	}},
	{"the relay forwards one way only", false, func(p *play, _, relays *host) error {
		n := 0
		if relays.each(true, func(t *trip) { t.oneWay, n = n == 0, n+1 }) == 0 {
			return errors.New("there is no circuit")
		}
		defer relays.each(true, func(t *trip) { t.oneWay = false })
		return p.talks(2 * time.Second)
	}},
	{"the address changes", true, func(p *play, meets, relays *host) error {
		for _, h := range []*host{meets, relays} {
			h.mu.Lock()
			h.ferry.host++
			h.mu.Unlock()
			h.cuts()
		}
		return p.talks(time.Second)
	}},
	{"the relay is another", true, func(p *play, _, relays *host) error { return relays.swap() }},
	{"the server is another", false, func(p *play, meets, _ *host) error { return meets.swap() }},
	{"a NAT forgets", true, func(p *play, meets, relays *host) error {
		meets.each(false, func(t *trip) { t.lost = true })
		if relays.each(false, func(t *trip) { t.lost = true }) == 0 {
			return errors.New("there is no connection")
		}
		return p.talks(time.Second)
	}},
}

// dies has a server be killed, and started again a while later.
func (p *play) dies(h *host) error {
	h.kill()
	if err := p.talks(time.Second); err != nil {
		return err
	}
	return h.start()
}

// talks lets all say a little more for a while.
func (p *play) talks(wait time.Duration) error {
	if err := p.say(p.said + perFault/4); err != nil {
		return err
	}
	return rest(p.ctx, wait)
}

// perFault is how many messages each node says while and after something befalls it. Before that
// all is calm for a while: who has just come is not waited for, and who has just lost a server is
// in no hurry to be back there.
const (
	perFault = 2000
	calm     = 5500 * time.Millisecond
)

// overServers has nodes talk over a relay while servers and what lies before them fail.
func overServers(ctx context.Context, s setting, plan plan) (r row, err error) {
	began := time.Now()
	r.what = fmt.Sprintf("%v, servers", s)
	p := &play{setting: s}
	p.ctx, p.cancel = context.WithCancel(ctx)
	var hosts []*host
	defer func() {
		if e := p.end(); err == nil {
			err = e
		}
		for _, h := range hosts {
			h.end()
		}
		r.peak, r.took = p.peaked, time.Since(began)
	}()
	if p.dir, err = os.MkdirTemp("", "once-faults-*"); err != nil {
		return r, err
	}
	for _, relays := range []string{"no", "yes"} {
		h, err := p.host(relays)
		if err != nil {
			return r, err
		}
		hosts = append(hosts, h)
	}
	for i := range s.nodes {
		b := birth{Nodes: s.nodes, Me: i, Life: 1, Security: s.mode, Dir: filepath.Join(p.dir, fmt.Sprint("identity ", i)), Servers: []string{hosts[0].address, hosts[1].address}}
		one, err := startProcess(p.ctx, b)
		if err != nil {
			return r, err
		}
		p.processes = append(p.processes, one)
	}
	if err := p.present(); err != nil {
		return r, err
	}
	if err := p.say(perFault); err != nil {
		return r, err
	}
	if err := p.settle(); err != nil {
		return r, err
	}
	for _, b := range beyond {
		if b.long && plan.brief {
			continue
		}
		if err := rest(p.ctx, calm); err != nil {
			return r, err
		}
		if err := p.befalls(b.name, func() error { return b.do(p, hosts[0], hosts[1]) }); err != nil {
			return r, fmt.Errorf("%s: %w", b.name, err)
		}
		r.resets++
	}
	return r, p.count(&r)
}

// befalls has something happen while all speak, and waits until all was heard.
func (p *play) befalls(what string, do func() error) error {
	began := time.Now()
	if err := p.say(p.said + perFault/2); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	if err := p.say(p.said + perFault/4); err != nil {
		return err
	}
	err := p.settle()
	fmt.Printf("%v: %s: all is heard after %v\n", p.setting, what, time.Since(began).Round(time.Millisecond))
	return err
}

// count holds what all have heard against the contract.
func (p *play) count(r *row) error {
	list, err := p.each(order{Do: "state"})
	for i, one := range list {
		for j, a := range one.Peers {
			if i == j {
				continue
			}
			r.messages += a.Taken
			r.lost += a.Lost
			r.doubled += a.Doubled
			r.disorder += a.Disorder
			r.wrong += a.Wrong
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
