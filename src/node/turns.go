package node

import (
	"time"

	"github.com/sjohnr/at-once/src/zre"
)

// turns are what is done in the loop, one at a time: it alone owns the core and all that
// says so. Nothing but its methods sees the core.
type turns struct {
	core  *zre.Core
	carry func(zre.Output) // carries out what the core wants
	calls chan func()
	done  chan struct{} // closed when the loop has ended
}

// drive begins with the core of which the turns are, and with what carries out what it wants.
func (t *turns) drive(core *zre.Core, carry func(zre.Output)) { t.core, t.carry = core, carry }

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

// stopping tells whether the node has taken leave. It is the loop's.
func (t *turns) stopping() bool { return t.core.Stopped() }

// excess tells whether to take an input would have the node be in more groups than it may. It is
// the loop's.
func (t *turns) excess(in zre.Input) bool { return t.core.Full(in) }

// ownGroups returns the groups that the node is in, sorted. It is the loop's.
func (t *turns) ownGroups() []string { return t.core.OwnGroups() }

// leaders returns who leads which group. It is the loop's.
func (t *turns) leaders() map[string]*Peer { return t.core.Leaders() }

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
func (t *turns) later(in zre.Input) { t.soon(func() { t.step(in) }) }

// soon is do for who need not wait until the loop has.
func (t *turns) soon(call func()) { t.calls <- call }
