package wan

import (
	"context"
	"sync"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/ladder"
	"github.com/sjohnr/at-once/src/link"
)

// ways are those to others: the ladder that looks for them, the links that it and they have
// made, and what was tried. All methods may be called from any goroutine.
type ways struct {
	ladder *ladder.Ladder
	trials trials

	mu    sync.Mutex                     // guards what follows; nothing else is locked under it
	waits map[uuid.UUID]chan ladder.Path // of reach
	paths map[*link.Link]ladder.Path     // that stand
}

// newWays returns the ways that a ladder looks for, made as said; its trials are noted here.
func newWays(c ladder.Config) *ways {
	w := &ways{trials: trials{of: map[uuid.UUID][]ladder.Trial{}}, waits: map[uuid.UUID]chan ladder.Path{}, paths: map[*link.Link]ladder.Path{}}
	c.Tried = w.trials.note
	w.ladder = ladder.New(c)
	return w
}

// reach looks for a way to a peer, and returns the first link that the node makes.
func (w *ways) reach(ctx context.Context, peer uuid.UUID, by ladder.Introducer) (*link.Link, error) {
	made := make(chan ladder.Path, 1)
	w.mu.Lock()
	w.waits[peer] = made
	w.mu.Unlock()
	w.ladder.Reach(peer, by, nil)
	select {
	case path := <-made:
		return path.Link, nil
	case <-ctx.Done():
	}
	w.mu.Lock()
	if w.waits[peer] == made {
		delete(w.waits, peer)
	}
	w.mu.Unlock()
	select {
	case path := <-made: // at the last moment
		return path.Link, nil
	default:
		return nil, context.Cause(ctx)
	}
}

// made takes a link that the ladder has made, for who waits for one, or else for another.
func (w *ways) made(path ladder.Path, unasked func(ladder.Path)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.paths[path.Link] = path
	if wait := w.waits[path.Peer]; wait != nil {
		delete(w.waits, path.Peer)
		wait <- path // for which there is room
		return
	}
	unasked(path)
}

// arrived takes a link that a peer has made, and tells whether it is of use.
func (w *ways) arrived(path ladder.Path) bool {
	if !w.ladder.Arrived(path) {
		return false
	}
	if path.Rung != ladder.Relayed {
		w.trials.note(ladder.Trial{Peer: path.Peer, Rung: path.Rung, Endpoint: path.Link.RemoteAddr().String(), Theirs: true})
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.paths[path.Link] = path
	return true
}

// lost takes in that a link has ended, and tells whether it was a circuit.
func (w *ways) lost(l *link.Link) (circuit bool) {
	w.mu.Lock()
	path, stood := w.paths[l]
	delete(w.paths, l)
	w.mu.Unlock()
	if stood {
		w.ladder.Lost(path)
	}
	return stood && path.Rung == ladder.Relayed
}

// rung returns which kind of way a link is that stands.
func (w *ways) rung(l *link.Link) ladder.Rung {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.paths[l].Rung
}
