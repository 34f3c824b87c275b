package node

import (
	"sync/atomic"
	"time"

	"github.com/sjohnr/at-once/src/guard"
)

// receiver reads one connection that a peer speaks over. What it has belongs to its
// goroutine, but for what is the loop's.
type receiver struct {
	inbound
	in        *intake // which takes what comes; another once the link carries on a channel
	loop      *loop
	visit     guard.Visit
	known     func()      // called once, when the greeting is accepted or the connection has ended
	impatient *time.Timer // ends the connection if there is no greeting
	greetings guard.Allowance
	keys      *guard.Allowance // sealing keys that the peer asks for; nil for none
	came      uint64           // messages that came
	spoke     bool             // without a greeting
	proven    atomic.Bool      // the peer has proved that it is there, which the reader may have yet to note

	lane lane // what there is of it if it carries both directions
}

// again acknowledges over this link what was taken over others.
func (r *receiver) again() { r.in.acknowledgeOver(&r.inbound) }

// sure tells whether a link leads to the peer, and goes on doing so for all we know.
func (r *receiver) sure() bool { return r.proven.Load() && !r.ahead && !r.lane.left }

// isKnown says, once, that the connection is no stranger's any more, or has ended.
func (r *receiver) isKnown() {
	if r.impatient != nil {
		r.impatient.Stop()
		r.impatient = nil
	}
	if r.known == nil {
		return
	}
	r.visit.End()
	r.known()
	r.known = nil
}

// close closes the connection.
func (r *receiver) close() {
	_ = r.link.Close()
	r.isKnown()
}
