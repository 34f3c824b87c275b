package node

import "github.com/sjohnr/at-once/src/zre"

// carryOut does what the core wants.
func (l *loop) carryOut(out zre.Output) {
	switch out := out.(type) {
	case zre.Connect:
		l.call(out.Peer, out.Endpoints, out.Urgent)
	case zre.Doubt:
		l.wan.Doubt(out.Peer)
	case zre.Withdraw:
		l.withdraw(out.Peer)
		l.unmeet(out.Peer)
	case zre.Disconnect:
		l.hangUp(out.Link)
	case zre.Send:
		l.send(out.Link, out.Message)
	case zre.Admit:
		l.admit(out.Link)
	case zre.Reject:
		l.reject(out.Link)
	case zre.Finish:
		l.finish(out.Link, out.Next)
	case zre.Adopt:
		l.adopt(out.Link, out.To)
	case zre.Proven:
		if c, ours := l.find(out.Peer), l.ours[out.Link]; c != nil && ours != nil {
			c.Relink(ours.Path)
			l.tellHolds(out.Peer)
		}
	case zre.Answered:
		l.answered(out.Link, out.Count)
	case zre.Took:
		l.took(out.Link, out.Count)
	case zre.Forgot:
		l.forgot(out.Link)
	case zre.Unreachable:
		l.unreachable(out)
	case zre.Event:
		l.event(out)
	case zre.Update:
		l.update(out.Peer)
	case zre.Count:
		l.count(out.Name)
	}
}
