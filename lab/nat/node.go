//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// glance is how often a node looks at what no event tells: whom servers tell of, and which way
// others are reached.
const glance = 10 * time.Millisecond

// member is a node of the library as it is, in the part of a peer: it whispers to whom it is
// told to reach, and reports what it sees.
type member struct {
	*once.Node
	mu    sync.Mutex // guards what is printed, and what was
	ways  map[uuid.UUID]once.Way
	tried map[uuid.UUID]int
	knows map[uuid.UUID]bool
}

func (m *member) say(r report) {
	r.Time = time.Now()
	_ = json.NewEncoder(os.Stdout).Encode(r) // who does not read it has gone
}

// runNode is a node that has an identity in a directory, and stays with servers at some
// addresses until standard input ends.
func runNode(directory string, addresses []string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	who, err := once.OpenIdentity(directory)
	if err != nil {
		return err
	}
	node, err := once.Start(ctx, once.Config{
		Name: "node", Identity: who, Servers: addresses, BeaconPort: once.NoBeacon,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		return err
	}
	defer node.Close()
	m := &member{Node: node, ways: map[uuid.UUID]once.Way{}, tried: map[uuid.UUID]int{}, knows: map[uuid.UUID]bool{}}
	m.say(report{What: "here", Peer: node.UUID()})
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	work.Go(func() { m.hear(ctx) })
	work.Go(func() { m.watch(ctx) })
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var o order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return err
		}
		m.locked(func() { m.say(report{What: "reach", Peer: o.Reach}) })
		work.Go(func() {
			if err := m.talk(ctx, o); err != nil {
				m.locked(func() { m.say(report{What: "fault", Peer: o.Reach, Text: err.Error()}) })
			}
		})
	}
	return nil
}

// pace is how long a node waits from one of several words to the next.
const pace = 20 * time.Millisecond

// talk says hello, so often as it is told to, with the numbers.
func (m *member) talk(ctx context.Context, o order) error {
	ticks := time.NewTicker(pace)
	defer ticks.Stop()
	for i := range max(1, o.Times) {
		if err := m.Whisper(ctx, o.Reach, []byte(greeting), []byte(strconv.Itoa(i))); err != nil {
			return err
		}
		if i+1 < o.Times {
			<-ticks.C
		}
	}
	return nil
}

func (m *member) locked(do func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	do()
}

// hear reports who says hello, and who is gone.
func (m *member) hear(ctx context.Context) {
	for event := range m.Events(ctx) {
		switch e := event.(type) {
		case *once.Whisper:
			if string(e.Content[0]) == greeting {
				m.locked(func() {
					m.say(report{What: "message", Peer: e.Peer.UUID(), Rung: e.Peer.Way().String(), Text: string(e.Content[1])})
				})
			}
		case *once.Exit:
			m.locked(func() { m.say(report{What: "exit", Peer: e.Peer.UUID(), Text: string(e.Reason)}) })
		}
	}
}

// watch reports what no event tells, until ctx ends.
func (m *member) watch(ctx context.Context) {
	mapped := ""
	for ticks := time.NewTicker(glance); ctx.Err() == nil; <-ticks.C {
		m.locked(func() {
			if at := m.Beyond()["mapped"]; at != mapped {
				mapped = at
				m.say(report{What: "mapped", Text: at})
			}
			for id := range m.Known() {
				m.known(id)
			}
			for _, p := range m.Peers() {
				m.known(p.UUID())
				m.found(p)
			}
		})
	}
}

func (m *member) known(id uuid.UUID) {
	if !m.knows[id] {
		m.knows[id] = true
		m.say(report{What: "knows", Peer: id})
	}
}

// found reports which way a peer is reached, and what was tried.
func (m *member) found(p once.Peer) {
	id := p.UUID()
	if way := p.Way(); way != m.ways[id] {
		m.ways[id] = way
		m.say(report{What: "found", Peer: id, Rung: way.String()})
	}
	lines := m.Tried(id)
	for _, line := range lines[min(m.tried[id], len(lines)):] {
		m.say(report{What: "tried", Peer: id, Rung: "-", Text: fmt.Sprint(line)})
	}
	m.tried[id] = len(lines)
}
