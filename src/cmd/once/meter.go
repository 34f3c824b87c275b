package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/once"
)

const (
	answerWithin = 5 * time.Second // that a peer which does not answer is asked again
	maxAsked     = 64              // peers at once; others are asked when those have answered
)

// meter measures how long peers take to answer, and how much is said. Its methods are safe for
// concurrent use.
type meter struct {
	node *once.Node

	mu     sync.Mutex
	peers  map[uuid.UUID]*measured
	asking int       // how many are yet to answer
	last   time.Time // when traffic was measured
}

// measured is what is known of a peer.
type measured struct {
	traffic once.Traffic
	in, out flow
	asking  bool          // a round trip is being measured
	asked   time.Time     // when the latest was begun
	trip    time.Duration // that of the latest answer, 0 if there was none
	silent  bool          // there was no answer in time
}

// flow is so much a second.
type flow struct{ messages, octets float64 }

func newMeter(node *once.Node) *meter { return &meter{node: node, peers: map[uuid.UUID]*measured{}} }

// measure takes the traffic since it was last called, and begins to measure round trips, which
// end with ctx.
func (m *meter) measure(ctx context.Context, work *sync.WaitGroup) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	seconds := now.Sub(m.last).Seconds()
	m.last = now
	present := map[uuid.UUID]bool{}
	for _, p := range m.node.Peers() {
		id := p.UUID()
		present[id] = true
		traffic, err := m.node.Traffic(id)
		if err != nil { // it is gone
			continue
		}
		of := m.peers[id]
		if of == nil {
			of = &measured{traffic: traffic}
			m.peers[id] = of
		}
		of.in = flowOf(of.traffic.ReceivedMessages, traffic.ReceivedMessages, of.traffic.ReceivedOctets, traffic.ReceivedOctets, seconds)
		of.out = flowOf(of.traffic.SentMessages, traffic.SentMessages, of.traffic.SentOctets, traffic.SentOctets, seconds)
		of.traffic = traffic
	}
	maps.DeleteFunc(m.peers, func(id uuid.UUID, _ *measured) bool { return !present[id] })
	for _, id := range m.due() {
		of := m.peers[id]
		of.asking, of.asked = true, now
		m.asking++
		work.Go(func() { m.ask(ctx, id, of) })
	}
}

// due returns who is to be asked: those who were not asked for longest, so that each has
// its turn where there are many.
func (m *meter) due() []uuid.UUID {
	var free []uuid.UUID
	for id, of := range m.peers {
		if !of.asking {
			free = append(free, id)
		}
	}
	slices.SortFunc(free, func(a, b uuid.UUID) int { return m.peers[a].asked.Compare(m.peers[b].asked) })
	return free[:min(len(free), maxAsked-m.asking)]
}

// ask measures a round trip.
func (m *meter) ask(ctx context.Context, id uuid.UUID, of *measured) {
	short, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	trip, err := m.node.Ping(short, id)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asking--
	of.asking, of.silent = false, err != nil
	if err == nil {
		of.trip = trip
	}
}

// flowOf returns the flow of what has grown. A peer that has come back begins anew.
func flowOf(messages, newMessages, octets, newOctets uint64, seconds float64) flow {
	if newMessages < messages || newOctets < octets || seconds <= 0 {
		return flow{}
	}
	return flow{float64(newMessages-messages) / seconds, float64(newOctets-octets) / seconds}
}

// of returns what is known of a peer, for people.
func (m *meter) of(p once.Peer) (trip, in, out string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	of := m.peers[p.UUID()]
	switch {
	case of == nil:
		return "", "", ""
	case p.Suspect(), of.silent:
		trip = "no answer"
	case of.trip > 0:
		trip = of.trip.Round(roundTo(of.trip)).String()
	}
	return trip, of.in.String(), of.out.String()
}

// roundTo returns what leaves three digits of a time.
func roundTo(t time.Duration) time.Duration {
	unit := time.Duration(1)
	for ; t >= 1000*unit; unit *= 10 {
	}
	return unit
}

func (f flow) String() string { return scaled(f.messages) + "/s " + scaled(f.octets) }

// scaled returns a number in at most four characters, or five from a million millions on.
func scaled(x float64) string {
	unit := 0
	for ; x >= 999.5 && unit < 4; unit++ {
		x /= 1000
	}
	if suffix := []string{"", "k", "M", "G", "T"}[unit]; x >= 9.95 || unit == 0 {
		return fmt.Sprintf("%.0f%s", x, suffix)
	} else {
		return fmt.Sprintf("%.1f%s", x, suffix)
	}
}
