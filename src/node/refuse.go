package node

import (
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/sight"
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

// A refusal is told anew after refusalLife. So many are told at once, and so many more a
// second: nodes that are made up fill neither memory nor the application's queue, and
// hide others for as long as somebody makes them up.
const (
	refusalLife   = 10 * time.Minute
	refusalsBurst = 64
	refusalsRate  = 1
	maxRefusals   = 1024 // more than are told in refusalLife
)

// refusal is who was refused, and why.
type refusal struct {
	peer   uuid.UUID
	reason string
}

// refusals are those that were told, and when. There are two: those of nodes that are
// only said to be somewhere, as anybody can say of anybody, hide none of those that have
// said something themselves.
type refusals struct {
	sync.Mutex
	at    map[refusal]time.Time
	tells allowance
}

// refuse tells the application, once in a while, that a node is not talked with. What
// that node is told is not up to it; see refusalOf.
func (n *Node) refuse(among *refusals, peer uuid.UUID, name string, endpoint sight.Endpoint, why error) {
	n.count("nodes refused")
	if errors.Is(why, zmtp.ErrMechanism) {
		why = errPlain
		if !n.secure {
			why = errSecure
		}
	}
	key, now := refusal{peer, why.Error()}, time.Now()
	if !among.tell(key, now) {
		return
	}
	n.log(peer).Info("node refused", "name", name, "endpoint", endpoint, "reason", why)
	n.events.Post(events.Facts{Type: api.EventTypeRefused, Peer: zre.Stranger(peer, name, endpoint), Text: key.reason, At: now})
}

// tell tells whether a refusal is to be told, and notes that it is.
func (r *refusals) tell(key refusal, now time.Time) bool {
	r.Lock()
	defer r.Unlock()
	if at, told := r.at[key]; told && now.Sub(at) < refusalLife || !r.tells.use(1, now, refusalsBurst, refusalsRate) {
		return false
	}
	if len(r.at) >= maxRefusals {
		maps.DeleteFunc(r.at, func(_ refusal, at time.Time) bool { return now.Sub(at) >= refusalLife })
	}
	if r.at == nil {
		r.at = map[refusal]time.Time{}
	}
	r.at[key] = now
	return true
}

// knows tells whether it was told of late why a node is none to talk with.
func (r *refusals) knows(peer uuid.UUID, now time.Time) bool {
	r.Lock()
	defer r.Unlock()
	for key, at := range r.at {
		if key.peer == peer && now.Sub(at) < refusalLife {
			return true
		}
	}
	return false
}
