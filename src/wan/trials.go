package wan

import (
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/ladder"
)

// What is kept of what was tried: of so many peers, so much of each.
const (
	maxTried  = 256
	maxTrials = 16
)

// trials are the latest to reach each peer that is looked for.
type trials struct {
	mu sync.Mutex
	of map[uuid.UUID][]ladder.Trial
}

// note notes what became of a rung.
func (t *trials) note(trial ladder.Trial) {
	t.mu.Lock()
	defer t.mu.Unlock()
	list, known := t.of[trial.Peer]
	for other := range t.of {
		if known || len(t.of) < maxTried {
			break
		}
		delete(t.of, other)
	}
	list = append(list, trial)
	t.of[trial.Peer] = list[max(0, len(list)-maxTrials):]
}

// list returns those of a peer, the latest last.
func (t *trials) list(peer uuid.UUID) []ladder.Trial {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.of[peer])
}
