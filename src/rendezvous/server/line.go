package server

import (
	"context"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/link"
)

// Who comes waits in line, so that of a crowd nobody is begun with who gives up before it is
// answered. An address waits in one of several lanes, so that those who have their turn and
// say nothing hold up no others than the addresses of that lane, and these not for ever.
const (
	lanes    = 8
	abreast  = 16              // connections of a lane whose turn it is at a time
	turnTime = 2 * time.Second // after which a turn is over, come of it what may
	maxTurn  = oncemsg.MaxTurn * time.Millisecond
)

// line is where connections wait until it is their turn.
type line struct {
	seed  maphash.Seed
	lanes [lanes]chan struct{}

	mu      sync.Mutex
	accepts guard.Allowance
}

func newLine() *line {
	l := &line{seed: maphash.MakeSeed()}
	for i := range l.lanes {
		l.lanes[i] = make(chan struct{}, abreast)
	}
	return l
}

// enter returns from when on it may be the turn of another connection, by the accept rate, and
// whether it is worth waiting for.
func (l *line) enter(now time.Time, p *Policy) (from time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.AcceptRate <= 0 {
		return now, true
	}
	ok = l.accepts.Use(1, now, p.Burst+p.AcceptRate*maxTurn.Seconds(), p.AcceptRate)
	return now.Add(l.accepts.Wait(p.Burst, p.AcceptRate)), ok
}

// await waits until it is the turn of a connection of an address. What it returns ends the
// turn, and may be called again.
func (l *line) await(ctx context.Context, address netip.Prefix, from, until time.Time) (pass func(), err error) {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	lane := l.lanes[maphash.Comparable(l.seed, address)%lanes]
	if link.Pause(ctx, time.Until(from)) {
		select {
		case lane <- struct{}{}:
			pass = sync.OnceFunc(func() { <-lane })
			time.AfterFunc(turnTime, pass)
			return pass, nil
		case <-ctx.Done():
		}
	}
	return nil, ctx.Err()
}
