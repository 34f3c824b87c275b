//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// wrong is by how much a clock is: the one node's is ahead, the other's behind.
const wrong = time.Hour

// clocks has two nodes meet by a server whose clocks are wrong, and talk: directly, which is on a
// LAN for two of one host, and over a circuit. It has once doctor say that of each.
func clocks(ctx context.Context, s setting, plan plan, r *row) error {
	r.what = fmt.Sprintf("%v, clocks", s)
	for _, way := range []once.Way{once.WayLan, once.WayRelayed} {
		if err := perform(ctx, s, r, func(p *play) error { return wrongClocks(p, way, r) }); err != nil {
			return fmt.Errorf("%v: %w", way, err)
		}
	}
	return nil
}

// wrongClocks has them talk on one kind of way.
func wrongClocks(p *play, way once.Way, r *row) error {
	h, err := p.host(map[once.Way]string{once.WayLan: "no", once.WayRelayed: "yes"}[way])
	if err != nil {
		return err
	}
	address := h.address
	if way == once.WayLan { // what lies before a server hides where nodes are
		address = h.bare()
	}
	for i, ahead := range []time.Duration{wrong, -wrong} {
		if err := p.join(i, ahead, address); err != nil {
			return err
		}
	}
	if err := p.present(); err != nil {
		return err
	}
	if err := p.goOn(perFault); err != nil {
		return err
	}
	list, err := p.each(order{Do: "state"})
	if err != nil {
		return err
	}
	for i, one := range list {
		off := one.Clock - time.Duration(1-2*i)*wrong
		r.needs(off.Abs() < patience, "%s has a clock that is %v ahead", nameOf(i), one.Clock)
		got := one.Peers[1-i].Way
		r.needs(got == way.String(), "%s reaches the other on a way that is %s, not %v", nameOf(i), got, way)
		if err := doctor(p.ctx, address, one.Clock, r); err != nil {
			return err
		}
	}
	return p.count(r)
}

// doctor asks once doctor what is wrong where a clock is.
func doctor(ctx context.Context, address string, ahead time.Duration, r *row) error {
	program, err := skewed("once")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c := exec.CommandContext(ctx, program, "doctor", "--identity", "none", "--interface", "lo", "--port", "0", "--server", "-")
	c.Stdin, c.Env = strings.NewReader(address), skewedBy(ahead)
	said, err := c.CombinedOutput()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) { // it finds what is wrong with a host that has a loopback only
		return err
	}
	found := false
	for line := range strings.Lines(string(said)) {
		var hours string
		fields := strings.Fields(line)
		if len(fields) > 1 && fields[0] == "warn" && fields[1] == "clock" {
			_, hours, _ = strings.Cut(line, "this host's clock is ")
		}
		hours, _, _ = strings.Cut(hours, " from")
		by, err := time.ParseDuration(hours)
		found = found || err == nil && (by-wrong).Abs() < patience
	}
	r.needs(found, "once doctor does not say that the clock is %v ahead: %s", ahead, said)
	return nil
}

// skewed returns where a program is whose clock can be wrong: see lab/skew.
func skewed(program string) (path string, err error) {
	own, err := os.Executable()
	if err != nil {
		return "", err
	}
	path = filepath.Join(filepath.Dir(own), "skew", program)
	if _, err = os.Stat(path); err != nil {
		err = fmt.Errorf("programs with clocks that can be wrong are made by make faults: %w", err)
	}
	return path, err
}

// skewedBy is the environment in which their clock is ahead.
func skewedBy(ahead time.Duration) []string {
	return append(os.Environ(), fmt.Sprintf("ONCE_LAB_CLOCK=%d", ahead/time.Second))
}
