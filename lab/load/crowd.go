//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/rendezvous"
)

// Groups of nodes know each other; watchers watch a group that others enter.
const (
	grouped = 8
	watched = "watched"
	sampled = 200 // nodes of a process that are looked at for exits
	sources = 8   // addresses of a process
	coming  = 100 // nodes of a process that are not there yet, but after a server was lost
)

// report is what a crowd says of itself.
type report struct {
	Present int
	Exits   int       // that were said to those who are looked at
	Waits   int       // how often it was told to await somebody
	Told    int       // watchers that were told of whom they wait for
	Last    time.Time // when the last one was
	Fault   string    `json:",omitempty"`
}

// members are the nodes of a process.
type members struct {
	address  rendezvous.Address
	net      int // number of the process
	watchers int
	wanted   int
	nodes    []*light
	known    []int // whom those know who are looked at

	mu     sync.Mutex
	awaits uuid.UUID
	waits  int
	told   int
	last   time.Time
}

// crowd is a process of nodes that obeys its standard input: "grow N" or "await ID".
func crowd(ctx context.Context, address string, net int) error {
	a, err := rendezvous.ParseAddress(address)
	if err != nil {
		return err
	}
	m := &members{address: a, net: net}
	orders := make(chan string)
	go func() {
		defer close(orders)
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			orders <- in.Text()
		}
	}()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	out := json.NewEncoder(os.Stdout)
	for exits := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case order, open := <-orders:
			if !open {
				return nil
			}
			m.obey(order)
		case <-ticker.C:
			r := m.report()
			if err := m.grow(r.Present); err != nil {
				return err
			}
			exits += r.Exits
			r.Exits = exits
			if err := out.Encode(r); err != nil {
				return err
			}
		}
	}
}

func (m *members) obey(order string) {
	what, value, _ := strings.Cut(order, " ")
	switch what {
	case "watchers":
		m.watchers = number(value)
	case "grow":
		m.wanted = number(value)
	case "await":
		m.mu.Lock()
		defer m.mu.Unlock()
		m.awaits, m.waits, m.told = uuid.MustParse(value), m.waits+1, 0
	}
}

// grow starts those who are still wanted, but not so many at once that each waits for all.
func (m *members) grow(present int) error {
	for len(m.nodes) < m.wanted && len(m.nodes)-present < coming {
		if err := m.add(); err != nil {
			return err
		}
	}
	return nil
}

// add starts another node.
func (m *members) add() error {
	n := len(m.nodes)
	own := fmt.Sprintf("group %d of %d", n/grouped, m.net)
	watches := own
	if n < m.watchers {
		watches = watched
	}
	l, err := newLight(m.address, source{from: net.IPv4(127, 1, byte(m.net), byte(1+n%sources))}, own, watches)
	if err != nil {
		return err
	}
	l.start(m.sighted)
	m.nodes = append(m.nodes, l)
	return nil
}

func (m *members) sighted(id uuid.UUID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if id == m.awaits {
		m.told++
		m.last = time.Now()
	}
}

func (m *members) report() (r report) {
	for _, n := range m.nodes {
		if n.present() {
			r.Present++
		}
	}
	for n := m.watchers; n < min(m.watchers+sampled, len(m.nodes)); n++ {
		if n-m.watchers == len(m.known) {
			m.known = append(m.known, 0)
		}
		now := len(m.nodes[n].Peers())
		r.Exits += max(0, m.known[n-m.watchers]-now)
		m.known[n-m.watchers] = now
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r.Told, r.Last, r.Waits = m.told, m.last, m.waits
	return r
}
