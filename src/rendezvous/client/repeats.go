package client

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncerecord"
)

// ErrRepeated says that what was sent ahead of a link has come before, or that so many send
// something ahead that this could not be told.
var ErrRepeated = fmt.Errorf("%w: it may have come before", ErrUnproved)

// repeats are told by the numbers of the latest that each node has sent ahead, by the challenge
// that it answers. Zero knows of none.
type repeats struct {
	mu     sync.Mutex
	latest map[[oncerecord.MaxInsideChallenge]byte]map[uuid.UUID]uint64
}

// first notes the number of what a node has sent ahead in answer to a challenge. The error is
// ErrRepeated unless it is higher than all before, and the challenge one of those that count: of
// others nothing is known. Which count is asked under the lock, so that none is forgotten that
// counts since.
func (r *repeats) first(counting func() [][]byte, from uuid.UUID, challenge []byte, number uint64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := counting()
	counts := func(key [oncerecord.MaxInsideChallenge]byte) bool {
		return slices.ContainsFunc(now, func(counts []byte) bool { return bytes.Equal(counts, key[:]) })
	}
	maps.DeleteFunc(r.latest, func(old [oncerecord.MaxInsideChallenge]byte, _ map[uuid.UUID]uint64) bool { return !counts(old) })
	key := [oncerecord.MaxInsideChallenge]byte(challenge)
	if !counts(key) {
		return ErrRepeated
	}
	if r.latest == nil {
		r.latest = map[[oncerecord.MaxInsideChallenge]byte]map[uuid.UUID]uint64{}
	}
	if r.latest[key] == nil {
		r.latest[key] = map[uuid.UUID]uint64{}
	}
	last, known := r.latest[key][from]
	if number <= last || !known && len(r.latest[key]) >= oncerecord.MaxAheads {
		return ErrRepeated
	}
	r.latest[key][from] = number
	return nil
}
