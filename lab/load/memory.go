//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	rendezvousserver "github.com/sjohnr/at-once/src/rendezvous/server"
)

// apart runs this program once more, to be something else.
func apart(ctx context.Context, args ...string) error {
	own, err := os.Executable()
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, own, args...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	return command.Run()
}

// host is the server's, in memory.
const host = "10.0.0.1"

// inMemory has a server and so many nodes in this process, over links in memory.
func inMemory(ctx context.Context, nodes, watchers int) error {
	network := link.NewMemory(nil)
	own, err := identity.New()
	if err != nil {
		return err
	}
	s, err := rendezvousserver.New(rendezvousserver.Config{Identity: own, Transport: network.Host(host), Log: slog.New(slog.DiscardHandler)}, rendezvousserver.Policy{})
	if err != nil {
		return err
	}
	defer s.Close()
	l, err := network.Host(host).Listen(ctx, fmt.Sprintf("tcp://*:%d", rendezvous.Port))
	if err != nil {
		return err
	}
	s.Serve(l)
	address := rendezvous.Address{Hosts: []string{net.JoinHostPort(host, strconv.Itoa(rendezvous.Port))}, Key: [32]byte(own.Transport().PublicKey().Bytes()), Secret: rendezvous.NewSecret()}
	before := used()
	began := time.Now()
	var awaited atomic.Pointer[uuid.UUID]
	var told atomic.Int64
	sighted := func(id uuid.UUID) {
		if a := awaited.Load(); a != nil && *a == id {
			told.Add(1)
		}
	}
	for n := range nodes {
		if n%coming == 0 { // so that each comes to its turn
			if err := until(ctx, func() bool { return s.Status().Peers >= n-coming }); err != nil {
				return err
			}
		}
		watches := fmt.Sprint("group ", n/grouped)
		if n < watchers {
			watches = watched
		}
		l, err := newLight(address, network.Host(net.IPv4(10, 1+byte(n>>16), byte(n>>8), byte(n)).String()), fmt.Sprint("group ", n/grouped), watches)
		if err != nil {
			return err
		}
		l.start(sighted)
	}
	if err := until(ctx, func() bool { return s.Status().Peers == nodes }); err != nil {
		return err
	}
	var v verdict
	v.note(fmt.Sprintf("%d nodes in memory: registrations a second", nodes), int(float64(nodes)/time.Since(began).Seconds()))
	v.note(fmt.Sprintf("%d nodes in memory: octets in use for both sides", nodes), (used()-before)/nodes)
	last, err := newLight(address, network.Host("10.0.0.2"), watched, "nobody")
	if err != nil {
		return err
	}
	awaited.Store(&last.id)
	began = time.Now()
	last.start(func(uuid.UUID) {})
	if err := until(ctx, func() bool { return told.Load() == int64(watchers) }); err != nil {
		return fmt.Errorf("%d are told: %w", told.Load(), err)
	}
	v.note(fmt.Sprintf("%d nodes in memory: from enter to the last of %d", nodes, watchers), time.Since(began).Round(time.Millisecond))
	return nil
}

// used returns how many octets of memory are in use.
func used() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapInuse + m.StackInuse)
}

var errPatience = errors.New("in vain")

// until waits until something is so.
func until(ctx context.Context, is func() bool) error {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); !is(); {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if time.Now().After(deadline) {
			return errPatience
		}
	}
	return nil
}
