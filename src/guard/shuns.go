package guard

import (
	"maps"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/sight"
)

// After a refusal the two leave each other alone at that endpoint: whom we do not let
// in is not called again for RefusalLife, unless it greets us and is let in; who does
// not let us in is called again after a minute, and not listened to before.
const TurnedAwayLife = time.Minute

// maxShunned is of how many that is known. Of more it is not, and they are called.
const maxShunned = 1024

// place is where a peer is said to be.
type place struct {
	peer    uuid.UUID
	address string // as an endpoint has it
}

// Shuns are those that are not called. The zero value has none. Its methods are safe for
// concurrent use.
type Shuns struct {
	mu    sync.Mutex
	known map[place]shun
}

type shun struct {
	until  time.Time
	theirs bool // the peer does not let us in
}

// Add has a peer not called at an endpoint for a while. Theirs tells that the peer wants
// that; else it is us who do not let it in.
func (s *Shuns) Add(peer uuid.UUID, at sight.Endpoint, theirs bool) {
	where := place{peer, at.Address}
	now, life := time.Now(), RefusalLife
	if theirs {
		life = TurnedAwayLife
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= maxShunned {
		maps.DeleteFunc(s.known, func(_ place, old shun) bool { return now.After(old.until) })
	}
	if s.known == nil {
		s.known = map[place]shun{}
	}
	if _, known := s.known[where]; known || len(s.known) < maxShunned {
		s.known[where] = shun{now.Add(life), theirs}
	}
}

// Of tells whether there is to be no contact with a peer at an endpoint, and that it is the
// peer's wish.
func (s *Shuns) Of(peer uuid.UUID, at sight.Endpoint) (shunned, theirs bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	shun, known := s.known[place{peer, at.Address}]
	shunned = known && time.Now().Before(shun.until)
	return shunned, shunned && shun.theirs
}

// Remove lets a peer be called again at an endpoint.
func (s *Shuns) Remove(peer uuid.UUID, at sight.Endpoint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, place{peer, at.Address})
}
