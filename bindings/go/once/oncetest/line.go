package oncetest

import (
	"testing"
	"time"
)

// Line is what connects a host to the network. What goes from one host to another goes
// over the lines of both; programs on one host are connected without.
//
// Connections are as TCP's: nothing that a line does makes octets on them be missing, or
// change their order. There, loss and congestion are delay; and what a connection that
// breaks had under way is lost, see [Host.Break]. Only beacons are lost one by one.
type Line struct {
	// Delay is how long what is said is on the way, not counting the other host's line,
	// and Jitter up to how much longer, anew for each write. Connecting takes both
	// directions' delays. Beacons take no time.
	Delay, Jitter time.Duration

	// Rate is how many octets a second each connection carries in each direction: the
	// lesser of both lines' rates. 0 is any number.
	Rate int

	// Loss is the part of the beacons that are lost on the line, from 0 for none to 1
	// for all. Those that say goodbye are beacons too.
	Loss float64
}

func (l *Line) check(t *testing.T) {
	t.Helper()
	if l.Delay < 0 || l.Jitter < 0 || l.Rate < 0 || !(l.Loss >= 0 && l.Loss <= 1) {
		t.Fatalf("oncetest: %+v is no line: want nothing below 0, and no loss above 1", *l)
	}
}

// SetLine sets the lines of all hosts, also of those that are named later.
func (n *Network) SetLine(line Line) {
	n.t.Helper()
	line.check(n.t)
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, h := range n.hosts {
		h.line = nil
	}
	n.line = &line
	n.common.Store(n.line)
}

// noLine is between programs on one host.
var noLine = new(Line)

// lines returns those between two hosts.
func (n *Network) lines(from, to string) (a, b *Line) {
	if from == to {
		return noLine, noLine
	}
	if line := n.common.Load(); line != nil {
		return line, line
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lineLocked(from), n.lineLocked(to)
}

// lineLocked returns the line of a host. The caller holds the lock.
func (n *Network) lineLocked(address string) *Line {
	if h := n.hosts[address]; h != nil && h.line != nil {
		return h.line
	}
	return n.line
}

func (n *Network) delay(from, to string) time.Duration {
	a, b := n.lines(from, to)
	delay, jitter := a.Delay+b.Delay, a.Jitter+b.Jitter
	if jitter == 0 {
		return delay
	}
	return delay + time.Duration(n.draw(from, to)*float64(jitter))
}

func (n *Network) rate(from, to string) int {
	a, b := n.lines(from, to)
	if a.Rate == 0 || b.Rate == 0 {
		return max(a.Rate, b.Rate)
	}
	return min(a.Rate, b.Rate)
}

func (n *Network) loss(from, to string) float64 {
	a, b := n.lines(from, to)
	return 1 - (1-a.Loss)*(1-b.Loss)
}
