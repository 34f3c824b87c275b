package ladder

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	machine "github.com/sjohnr/at-once/generated/go/laddermachine"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous/client"
)

// maxSpare is how many links of a peer are kept beside the one that is used; minRetry is how
// soon a server is asked again at the soonest, whatever it says.
const (
	maxSpare = 4
	minRetry = time.Second
)

// way is the way to one peer. It implements the actions of its machine, and is under the
// lock of the ladder.
type way struct {
	ladder *Ladder
	peer   uuid.UUID
	lower  bool       // the node's id is lower: it decides which of two links stays
	by     Introducer // whom to ask; nil if the node itself wants no way
	state  machine.State
	timer  *time.Timer
	since  time.Time     // of the present state
	rests  int           // in a row
	retry  time.Duration // after which the server may be asked again, if it says so

	meeting *client.Meeting // the latest
	climb   *climb          // nil if nothing is dialled
	carried *carriage       // nil if no circuit is asked for

	best    Path
	stood   time.Time     // since when it does
	pause   time.Duration // before another is looked for: links do not stand for long
	doubted bool          // the peer says that best does not stand
	spare   []Path        // further links, of no better tier
	tidy    *time.Timer   // when they are closed; nil for not at all
}

// fire steps the machine.
func (w *way) fire(e machine.Event) {
	last := w.state
	next, ok := machine.Step(last, e, w)
	if !ok || next == last {
		return
	}
	w.state, w.since = next, time.Now()
	if next.Final() {
		w.timer.Stop()
		if w.tidy != nil {
			w.tidy.Stop()
		}
		w.endCircuit()
		if w.ladder.ways[w.peer] == w {
			delete(w.ladder.ways, w.peer)
		}
		return
	}
	if wait := w.wait(); wait > 0 {
		w.timer.Reset(wait)
	}
	switch {
	case next != machine.StateResting:
	case w.best.Link != nil && w.best.Rung != Relayed:
		w.doubted = false // it stands after all
		w.fire(machine.EventWon)
	case w.by == nil && w.best.Link == nil:
		w.fire(machine.EventLetGo) // nobody wants it
	}
}

// wait returns how long the present state lasts, 0 for ever.
func (w *way) wait() time.Duration {
	switch w.state.Timeout() {
	case machine.TimeoutAnswer:
		return machine.DefaultAnswer
	case machine.TimeoutClimb:
		return machine.DefaultClimb
	case machine.TimeoutAgain:
		if w.retry > 0 {
			return w.retry
		}
		return min(machine.DefaultAgain<<min(max(w.rests-1, 0), 4), 10*machine.DefaultAgain)
	}
	return 0
}

// due fires the time-out of the present state. Who is only wanted by the peer is not asked
// for again.
func (w *way) due() {
	w.ladder.mu.Lock()
	defer w.ladder.mu.Unlock()
	wait := w.wait()
	if rest := wait - time.Since(w.since); wait == 0 || rest > 0 {
		if wait > 0 {
			w.timer.Reset(rest)
		}
		return
	}
	if w.state != machine.StateResting || w.by != nil {
		w.fire(machine.EventTimeout)
	}
}

// take takes a link to the peer, and tells whether it is of use. A further one waits: the
// peer may be about to use that one.
func (w *way) take(p Path) bool {
	last := w.best
	switch {
	case w.state.Final() || last.Link != nil && p.Rung.tier() < last.Rung.tier():
		return false
	case last.Link == nil || p.Rung.tier() > last.Rung.tier():
		w.use(p)
	case len(w.spare) >= maxSpare:
		return false
	case w.doubted:
		w.keep(last)
		w.use(p)
	default:
		w.keep(p)
	}
	return true
}

// keep keeps a link beside the one that is used. Who decides closes it when both sides must
// know what stands: an attempt is over by then.
func (w *way) keep(p Path) {
	w.spare = append(w.spare, p)
	if w.lower && w.tidy == nil {
		w.tidy = time.AfterFunc(link.DialTime, w.close)
	}
}

// close closes what is kept.
func (w *way) close() {
	w.ladder.mu.Lock()
	spare := w.spare
	w.spare, w.tidy = nil, nil
	w.ladder.mu.Unlock()
	for _, p := range spare {
		_ = p.Link.Close()
	}
}

// use has a link be the one that is used.
func (w *way) use(p Path) {
	w.best, w.stood, w.doubted = p, time.Now(), false
	if p.Rung != Relayed {
		w.rests = 0
		w.endCircuit()
		w.fire(machine.EventWon)
	}
	w.ladder.Found(p)
}

// lose notes that a link has ended.
func (w *way) lose(p Path) {
	if w.best.Link != p.Link {
		w.spare = slices.DeleteFunc(w.spare, func(s Path) bool { return s.Link == p.Link })
		return
	}
	w.best = Path{}
	if len(w.spare) > 0 {
		next := w.spare[0]
		w.spare = w.spare[1:]
		w.use(next)
		return
	}
	if w.by == nil {
		if w.state != machine.StateClimbing {
			w.fire(machine.EventLetGo)
		}
		return
	}
	w.pause = link.Longer(w.pause)
	if time.Since(w.stood) > link.DialTime {
		w.pause = 0
	}
	w.carry(nil)
	w.fire(machine.EventLost)
}

// abandon closes the link that is used, and over which nothing comes any more.
func (w *way) abandon() {
	quiet := w.best.Link
	w.lose(w.best)
	quiet.Spoil() // so that the system forgets it at once, and the same two addresses may be tried
	w.ladder.work.Go(func() { _ = quiet.Close() })
}

// The actions of the machine.

// SendIntroduce asks to be introduced.
func (w *way) SendIntroduce() {
	l, by, pause := w.ladder, w.by, w.pause
	l.work.Go(func() {
		ctx, cancel := context.WithTimeout(l.ctx, machine.DefaultAnswer)
		defer cancel()
		link.Pause(ctx, pause)
		began := time.Now()
		m, err := by.Introduce(ctx, w.peer)
		l.mu.Lock()
		defer l.mu.Unlock()
		w.retry = 0
		if err == nil {
			w.meeting = m
			w.fire(machine.EventAnswered)
			return
		}
		l.tell(Trial{Peer: w.peer, Met: true, Took: time.Since(began), Err: err})
		if no := new(client.RefusedError); errors.As(err, &no) && no.Retry > 0 {
			w.retry = link.Vary(max(no.Retry, minRetry), l.Random("retry"))
		}
		w.fire(machine.EventNope)
	})
}

// SetOut dials the peer where that is known to be: what is between them lets through what it
// dials back. Somebody whom the node has lost again and again is asked first.
func (w *way) SetOut() {
	l, by := w.ladder, w.by
	if w.pause > 0 {
		return
	}
	l.work.Go(func() { // who is asked may ask the ladder
		m := by.Known(w.peer)
		l.mu.Lock()
		defer l.mu.Unlock()
		if m != nil && (w.state == machine.StateMeeting || w.state == machine.StateClimbing) {
			w.dial(m)
		}
	})
}

// Climb dials the peer where the meeting says.
func (w *way) Climb() {
	w.retry = 0
	w.dial(w.meeting)
}

// dial dials the peer where it is said to be, if it is not dialled there already.
func (w *way) dial(m *client.Meeting) {
	if w.climb == nil {
		w.climb = newClimb(w)
	}
	w.climb.begin(m)
}

// Rest and Stop end the dialling.
func (w *way) Rest() {
	w.rests++
	w.Stop()
}

func (w *way) Stop() {
	if w.climb != nil {
		w.climb.cancel()
		w.climb = nil
	}
}
