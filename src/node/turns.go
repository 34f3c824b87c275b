package node

import (
	"time"

	"github.com/sjohnr/at-once/src/zre"
)

// turns are what is done in the loop, one at a time: it alone owns the core and all that
// says so.
type turns struct {
	core  *zre.Core
	carry func(zre.Output) // carries out what the core wants
	calls chan func()
	done  chan struct{} // closed when the loop has ended
}

// run is the loop: it serves calls and the core's timer until calls is closed.
func (t *turns) run() {
	defer close(t.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if deadline := t.core.Deadline(); deadline.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(deadline))
		}
		select {
		case call, ok := <-t.calls:
			if !ok {
				return
			}
			call()
		case <-timer.C:
			t.step(zre.Tick{})
		}
	}
}

// step lets the core take an input and carries out what it wants. It is the loop's.
func (t *turns) step(in zre.Input) {
	for _, out := range t.core.Step(time.Now(), in) {
		t.carry(out)
	}
}

// do has the loop run a function and waits until it has. It is called only by those whom
// Stop waits for, or that hold the node running.
func (t *turns) do(call func()) {
	ran := make(chan struct{})
	t.calls <- func() {
		call()
		close(ran)
	}
	<-ran
}

// post has the loop take an input, and waits until it has.
func (t *turns) post(in zre.Input) { t.do(func() { t.step(in) }) }

// later is post for who need not wait until the loop has.
func (t *turns) later(in zre.Input) { t.calls <- func() { t.step(in) } }
