package client

import (
	"context"

	"github.com/sjohnr/at-once/generated/go/rendezvousclient"
	"github.com/sjohnr/at-once/src/sight"
)

// twin notes that another node has this node's identity, and where the server has seen it: of
// the two it tells together.
func (s *session) twin(seen []string) {
	one := sight.Sighting{ID: s.Identity.UUID()}
	for _, at := range seen {
		if e, err := sight.Parse("tcp://" + at); err == nil && at != s.observed {
			one.Endpoint = e
			break
		}
	}
	s.sights = append(s.sights, one)
}

// tellTwin has the twin learn of this node: it has started later, so that the server tells of
// it alone, and an introduction goes to it. Nobody is met.
func (s *session) tellTwin() {
	ctx, cancel := context.WithTimeout(context.Background(), rendezvousclient.DefaultAnswer)
	defer cancel()
	_, err := s.Introduce(ctx, s.Identity.UUID())
	s.Log.Debug("a twin was told", "server", s.at, "answer", err)
}
