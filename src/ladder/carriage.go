package ladder

import (
	"context"
	"errors"
	"time"

	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous/client"
)

// carriage asks for a circuit to a peer, again and again. It is under the lock of the ladder.
type carriage struct {
	way    *way
	by     Introducer
	ctx    context.Context
	cancel context.CancelFunc
	now    chan struct{} // holds a token when there is no reason to wait any more
}

// carry asks for a circuit until there is one, or a better way.
func (w *way) carry(ahead []byte) {
	if w.carried != nil || w.state.Final() {
		return
	}
	c := &carriage{way: w, by: w.by, now: make(chan struct{}, 1)}
	c.ctx, c.cancel = context.WithCancel(w.ladder.ctx)
	w.carried = c
	pause := w.pause
	w.ladder.work.Go(func() { c.run(pause, ahead) })
}

// endCircuit asks for no circuit any more.
func (w *way) endCircuit() {
	if w.carried != nil {
		w.carried.cancel()
		w.carried = nil
	}
}

// hasten has it be asked for now.
func (c *carriage) hasten() {
	select {
	case c.now <- struct{}{}:
	default:
	}
}

// run asks until somebody lends a circuit, or nobody ever will.
func (c *carriage) run(wait time.Duration, ahead []byte) {
	l, w := c.way.ladder, c.way
	defer c.cancel()
	for now := c.now; c.wait(&wait, now); wait = link.Longer(wait) {
		now = c.now
		began := time.Now()
		found, err := l.circuit(c.ctx, w, c.by, &ahead)
		if c.ctx.Err() == nil || err == nil {
			l.tell(Trial{Peer: w.peer, Rung: Relayed, Took: time.Since(began), Err: err})
		}
		if err == nil {
			l.took(w, Path{w.peer, Relayed, found})
			break
		}
		if no := new(client.RefusedError); errors.As(err, &no) {
			if no.Retry == 0 && !client.Away(err) {
				break
			}
			if no.Retry > 0 {
				wait, now = max(wait, no.Retry), nil
			}
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.carried == c {
		w.carried = nil
	}
}

// wait waits until it is asked again, and begins to count the time anew if that is now.
func (c *carriage) wait(wait *time.Duration, now <-chan struct{}) bool {
	timer := time.NewTimer(link.Vary(*wait, c.way.ladder.Random("circuit")))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-now:
		*wait = 0
	case <-c.ctx.Done():
	}
	return c.ctx.Err() == nil
}

// circuit makes a link over a circuit. What is sent ahead is sent once.
func (l *Ladder) circuit(ctx context.Context, w *way, by Introducer, ahead *[]byte) (*link.Link, error) {
	p, err := by.Look(ctx, w.peer)
	if err != nil {
		return nil, err
	}
	c, err := by.Circuit(ctx, w.peer, nil, *ahead)
	if err != nil {
		return nil, err
	}
	*ahead = nil
	ctx, cancel := context.WithTimeout(ctx, link.DialTime)
	defer cancel()
	conn, err := c.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return l.Open(ctx, conn, p.Card, false)
}
