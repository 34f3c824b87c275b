package node

import (
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/zmtp"
	"github.com/sjohnr/at-once/src/zre"
)

// Why a node that was seen is none to talk with.
var (
	errPlain  = errors.New("it speaks over plain connections, and this node only over encrypted ones: give both the same security")
	errSecure = errors.New("it speaks only over encrypted connections, and this node over plain ones: give both the same security")

	errRefused = errors.New("it does not let this node in, and does not say why: it may trust members only")
	errUnknown = errors.New("it refuses this node for a reason that this node does not know: it may be of a later version")
)

// A refusal is told anew after refusalLife; of so many at most it is known that
// they were told, and more are counted but not told.
const (
	refusalLife = 10 * time.Minute
	maxRefusals = 1024
)

// refusal is who was refused, and why.
type refusal struct {
	peer   uuid.UUID
	reason string
}

// refusals are those that were told, and when.
type refusals struct {
	sync.Mutex
	at map[refusal]time.Time
}

// refuse tells the application, once in a while, that a node is not talked with.
// The node itself does not learn why.
func (n *Node) refuse(peer uuid.UUID, name, endpoint string, why error) {
	n.count("nodes refused")
	if errors.Is(why, zmtp.ErrMechanism) {
		why = errPlain
		if !n.secure {
			why = errSecure
		}
	}
	key, now := refusal{peer, why.Error()}, time.Now()
	if !n.refusals.first(key, now) {
		return
	}
	n.log(peer).Info("node refused", "name", name, "endpoint", endpoint, "reason", why)
	n.inbox.post(Event{kind: api.EventTypeRefused, peer: zre.Stranger(peer, name, endpoint), text: key.reason, at: now})
}

// first tells whether something is to be told: it was not, or long ago.
func (r *refusals) first(key refusal, now time.Time) bool {
	r.Lock()
	defer r.Unlock()
	if at, told := r.at[key]; told && now.Sub(at) < refusalLife || !r.room(now) {
		return false
	}
	r.at[key] = now
	return true
}

// room forgets old refusals if there are too many, and tells whether there is room
// for another. The caller holds the lock.
func (r *refusals) room(now time.Time) bool {
	if len(r.at) < maxRefusals {
		return true
	}
	for key, at := range r.at {
		if now.Sub(at) >= refusalLife {
			delete(r.at, key)
		}
	}
	return len(r.at) < maxRefusals
}
