package node

import (
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncelink"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/ladder"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
	"github.com/sjohnr/at-once/src/zre"
)

// inbound is a connection that a peer speaks over, as the loop sees it: one that it made to
// us, or one that carries both directions.
type inbound struct {
	*base
	id     zre.LinkID
	peer   uuid.UUID
	link   *link.Link
	nonces guard.Nonces
	both   bool          // it carries both directions
	beyond bool          // it leads beyond the LAN
	ahead  bool          // it leads to nobody: see ahead.go
	shut   bool          // the loop's: gone is closed
	last   bool          // the loop's: what was said last goes out over it, and it is closed then: see conclude
	rung   ladder.Rung   // of what kind it is, where it leads beyond the LAN
	away   atomic.Bool   // the peer is not let in, and has been told
	done   chan struct{} // closed when the connection has ended, and the core knows
	gone   chan struct{} // closed when the loop has hung it up

	verdict *verdict // the loop's: what the reader waits for
}

// verdict is whether who speaks over a connection speaks for the peer. It is asked, and
// answered, once.
type verdict struct {
	answer chan struct{} // closed when there is one
	yes    bool
	after  *inbound // if set, the question is to be asked again when that has ended
}

// answered tells whether there is an answer.
func (q *verdict) answered() bool {
	select {
	case <-q.answer:
		return true
	default:
		return false
	}
}

// decide answers what was asked, if it was. It is the loop's.
func (r *inbound) decide(yes bool, after *inbound) {
	if q := r.verdict; q != nil {
		q.yes, q.after, r.verdict = yes, after, nil
		close(q.answer)
	}
}

// hangUp closes the connection, if that is not under way; its reader then ends. It is
// the loop's.
func (r *inbound) hangUp() {
	if !r.shut {
		r.shut = true
		close(r.gone)
	}
	if !r.away.Load() && !r.last {
		r.work.Go(func() { _ = r.link.Close() })
	}
}

// turnAway tells an @Once node why it is not let in, and closes the connection when that
// has gone out; what else comes means nothing. It tells whether that is under way: others
// cannot be told.
func (r *inbound) turnAway(why error) (told bool) {
	if !r.nonces.Fresh() {
		return false
	}
	r.away.Store(true)
	r.link.Refuse(guard.Refusal(why).String())
	r.shutdown(r.link, func(error) {})
	return true
}

// way returns what the application is told of the way that the link leads over.
func (r *inbound) way() api.PeerWay {
	switch r.rank() {
	case ladder.LAN:
		return api.PeerWayLan
	case ladder.Relayed:
		return api.PeerWayRelayed
	}
	return api.PeerWayDirect
}

// rank is the higher the better the way is that the link leads over.
func (r *inbound) rank() ladder.Rung {
	if r.beyond {
		return r.rung
	}
	return ladder.LAN
}

// key returns the key that the far side of a link has proved, nil for none. Beyond the LAN
// it is one of the link alone, and content is sealed in that: so all have it there, whatever
// their LANs have.
func (r *inbound) key() *[32]byte {
	if r.beyond {
		return nil
	}
	return linkKey(r.link)
}

// linkKey returns the key that the far side of a connection has proved, or nil.
func linkKey(k *link.Link) *[32]byte {
	if key, ok := k.RemoteKey(); ok {
		return &key
	}
	return nil
}

// say says a message of the link itself, encoded into scratch, which it returns. If there is
// no room for it, or the link has ended, it is dropped.
func (r *inbound) say(m oncelink.Message, tie *guard.Tie, scratch []byte) []byte {
	head := zmtp.AppendHeader(scratch[:0], m.Size(), false)
	frame, err := m.AppendTo(head)
	if err != nil {
		return scratch
	}
	said := frame[len(head) : len(frame)-len(guard.MAC{})]
	mac := tie.Prove(&r.nonces, said)
	copy(frame[len(frame)-len(mac):], mac[:])
	_ = r.link.Say(frame)
	return frame
}

// unproved is room for a MAC.
var unproved [oncelink.MaxResumeMac]byte
