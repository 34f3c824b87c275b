package guard

import (
	"maps"
	"sync"
	"time"

	"github.com/google/uuid"
)

// A refusal is told anew after RefusalLife. So many are told at once, and so many more a
// second: nodes that are made up fill neither memory nor the application's queue, and
// hide others for as long as somebody makes them up.
const (
	RefusalLife   = 10 * time.Minute
	refusalsBurst = 64
	refusalsRate  = 1
	MaxRefusals   = 1024 // more than are told in RefusalLife
)

// refusal is who was refused, and why.
type refusal struct {
	peer   uuid.UUID
	reason string
}

// Refusals are those that were told, and when. There are two: those of nodes that are
// only said to be somewhere, as anybody can say of anybody, hide none of those that have
// said something themselves. The zero value has none.
type Refusals struct {
	mu    sync.Mutex
	at    map[refusal]time.Time
	tells Allowance
}

// Tell tells whether something is to be told of a peer, and notes that it is.
func (r *Refusals) Tell(peer uuid.UUID, reason string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := refusal{peer, reason}
	if at, told := r.at[key]; told && now.Sub(at) < RefusalLife || !r.tells.Use(1, now, refusalsBurst, refusalsRate) {
		return false
	}
	if len(r.at) >= MaxRefusals {
		maps.DeleteFunc(r.at, func(_ refusal, at time.Time) bool { return now.Sub(at) >= RefusalLife })
	}
	if r.at == nil {
		r.at = map[refusal]time.Time{}
	}
	r.at[key] = now
	return true
}

func (r *Refusals) knows(peer uuid.UUID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, at := range r.at {
		if key.peer == peer && time.Since(at) < RefusalLife {
			return true
		}
	}
	return false
}
