package node

import (
	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/zre"
)

// refusedBy takes in what a peer says that does not let us in, or drops what we say.
func (l *loop) refusedBy(peer uuid.UUID, name string, endpoint sight.Endpoint, reason string, counts func() bool) {
	said, why := guard.Said(reason)
	l.refuse(&l.guard.Meetings, peer, name, endpoint, why)
	if said == 0 || said == api.EventRefusalSealed || !counts() {
		return
	}
	l.guard.Shuns.Add(peer, endpoint, true)
	l.step(zre.TurnedAway{Peer: peer})
}

// shun has us not call a peer that was turned away where it says to be, and end the
// attempt to. Somebody else may have come in its name, but beyond the LAN: that counts for the
// host only that it came from. Others than the loop call it.
func (l *loop) shun(r *receiver, where sight.Endpoint) {
	host := sight.Of(r.link.RemoteAddr()).Host()
	if !r.beyond && where.Host() != host {
		return
	}
	l.guard.Shuns.Add(r.peer, where, false)
	l.do(func() {
		p := l.of(r.peer)
		there := r.beyond || p.attempt != nil && p.attempt.Host() == host || p.ours != nil && p.ours.host == host
		if there && p.Channel == nil {
			l.step(zre.Expelled{Peer: r.peer})
		}
	})
}
