package node

import (
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/peermachine"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zre"
)

// loop is what only the loop's goroutine touches.
type loop struct {
	core     *zre.Core
	calls    map[uuid.UUID]*caller    // connections we make, or try to
	outbound map[zre.LinkID]*caller   // of those, what stands
	inbound  map[zre.LinkID]*receiver // connections made to us
	speaks   map[uuid.UUID]*receiver  // of those, the one that counts
	links    zre.LinkID               // the latest number of a connection
	scratch  []byte                   // where control messages are encoded
	version  uint64                   // of what is known: the number of events
	home     string                   // where we accept connections, for people

	challenges map[uuid.UUID][]byte // of the peers that we have greeted
	twins      map[uint16]*twin     // by port: the id is theirs as well

	parting map[*link.Link]parting // what those we take leave of have yet to take
	missed  missed                 // content that was not confirmed, and that nobody was told of
	flushes map[*flush]bool        // that wait
}

func newLoop(core *zre.Core) loop {
	return loop{
		core:     core,
		calls:    map[uuid.UUID]*caller{},
		outbound: map[zre.LinkID]*caller{},
		inbound:  map[zre.LinkID]*receiver{},
		speaks:   map[uuid.UUID]*receiver{},

		challenges: map[uuid.UUID][]byte{},
		twins:      map[uint16]*twin{},

		parting: map[*link.Link]parting{},
		missed:  missed{},
		flushes: map[*flush]bool{},
	}
}

// run is the loop: it serves calls and the core's timer until calls is closed.
func (n *Node) run() {
	defer close(n.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if deadline := n.loop.core.Deadline(); deadline.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(deadline))
		}
		select {
		case call, ok := <-n.calls:
			if !ok {
				return
			}
			call()
		case <-timer.C:
			n.step(zre.Tick{})
		}
	}
}

// do has the loop run a function and waits until it has. It is called only by
// those whom Stop waits for, or that hold the node running.
func (n *Node) do(call func()) {
	ran := make(chan struct{})
	n.calls <- func() {
		call()
		close(ran)
	}
	<-ran
}

// post has the loop take an input, and waits until it has.
func (n *Node) post(in zre.Input) { n.do(func() { n.step(in) }) }

// step lets the core take an input and carries out what it wants.
func (n *Node) step(in zre.Input) {
	for _, out := range n.loop.core.Step(time.Now(), in) {
		n.carryOut(out)
	}
}

func (n *Node) carryOut(out zre.Output) {
	switch out := out.(type) {
	case zre.Connect:
		n.call(out.Peer, out.Endpoints, out.Urgent)
	case zre.Withdraw:
		n.withdraw(out.Peer)
	case zre.Disconnect:
		if c := n.loop.outbound[out.Link]; c != nil {
			n.withdraw(c.peer)
		}
	case zre.Send:
		if c := n.loop.outbound[out.Link]; c != nil {
			n.control(c, out.Message)
		}
	case zre.Admit:
		n.admit(out.Peer, out.Link)
	case zre.Reject:
		n.reject(out.Link)
	case zre.Finish:
		n.finish(out.Link, out.Next)
	case zre.Adopt:
		n.adopt(out.Link, out.To)
	case zre.Proven:
		if r, c := n.table.find(out.Peer), n.loop.outbound[out.Link]; r != nil && c != nil {
			r.relink(c.out)
		}
	case zre.Answered:
		n.answered(out.Link, out.Count)
	case zre.Took:
		n.took(out.Link, out.Count)
	case zre.Forgot:
		n.forgot(out.Link)
	case zre.Unreachable:
		n.unreachable(out)
	case zre.Event:
		n.event(out)
	case zre.Update:
		if r := n.table.find(out.Peer.UUID()); r != nil {
			r.snapshot.Store(out.Peer)
		}
	case zre.Count:
		n.count(out.Name)
	}
}

// event brings the table into step and tells the application.
func (n *Node) event(e zre.Event) {
	id := e.Peer.UUID()
	switch e.Type {
	case api.EventTypeEnter:
		n.table.enter(e.Peer, n.loop.challenges[id])
	case api.EventTypeSuspect:
		n.table.find(id).suspected()
	case api.EventTypeRecover:
		n.table.find(id).recovered()
	case api.EventTypeExit:
		if out := n.table.find(id).out.Load(); e.Reason == peermachine.ReasonStopped {
			n.leave(e.Peer, out)
		} else {
			n.lost(id, out, e.Reason.String())
		}
		n.table.exit(id)
		n.ungroup(e.Peer.Groups()...)
		delete(n.loop.challenges, id)
		if r := n.loop.speaks[id]; r != nil {
			n.events.Dismiss(&r.Bringer)
		}
	case api.EventTypeJoin:
		n.table.join(id, e.Group)
	case api.EventTypeLeave:
		n.table.leave(id, e.Group)
		n.unhand(id, e.Group)
		n.ungroup(e.Group)
	}
	if r := n.table.find(id); r != nil {
		r.snapshot.Store(e.Peer)
	}
	n.log(id).Debug("peer "+e.Type.String(), "name", e.Peer.Name(), "group", e.Group, "reason", e.Reason)
	n.loop.version++
	n.events.Post(events.Facts{
		Type: e.Type, Reason: e.Reason, Peer: e.Peer, Group: e.Group, At: e.Time, Version: n.loop.version,
	})
}

// signs tells the core what the connections from and to a peer tell of its life.
func (n *Node) signs(id uuid.UUID) (s zre.Signs) {
	if r := n.loop.speaks[id]; r != nil {
		s.Heard, s.Waiting = r.link.Heard(), r.Stalled()
	}
	if c := n.loop.calls[id]; c != nil && c.out != nil {
		taken, owes := c.out.Taken()
		s.Took, s.Owes = c.out.owes && taken > c.out.taken, owes // that a PING left is no sign of life
		c.out.taken, c.out.owes = taken, owes
		s.Unsure = c.out.unsure()
	}
	return s
}
