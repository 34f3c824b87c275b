package client

import (
	"context"
	"errors"
	"time"

	"github.com/sjohnr/at-once/generated/go/rendezvousclient"
	serving "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/sight"
)

// twin notes that another node has this node's identity, and where the server has seen it: of
// the two it tells together.
func (s *session) twin(seen []string) { s.sights = append(s.sights, s.twinAt(seen)) }

func (s *session) twinAt(seen []string) sight.Sighting {
	one := sight.Sighting{ID: s.Identity.UUID()}
	for _, at := range seen {
		if e, err := sight.Parse("tcp://" + at); err == nil && at != s.observed {
			one.Endpoint = e
			break
		}
	}
	return one
}

// tellTwin has the twin learn of this node: it has started later, so that the server tells of
// it alone, and an introduction goes to it. Nobody is met: it is there if it says so.
func (s *session) tellTwin(ctx context.Context) (there bool) {
	_, err := s.Introduce(ctx, s.Identity.UUID())
	s.Log.Debug("a twin was told", "server", s.at, "answer", err)
	no := new(RefusedError)
	return errors.As(err, &no) && no.Reason == serving.ReasonUnwilling
}

// untold is for how long a twin is not told again.
const untold = time.Hour

// TellTwin is an action of the machine. That there is another is believed if it has signed a
// record in a later life than this node's, and answers.
func (s *session) TellTwin() {
	own, tell := s.published.incarnation, time.Since(s.outshone) > untold
	s.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), rendezvousclient.DefaultAnswer)
		defer cancel()
		twin, err := s.lookUp(ctx, s.Identity.UUID())
		there := tell && err == nil && twin.Record.Incarnation > own && s.tellTwin(ctx)
		var at []sight.Sighting
		s.mu.Lock()
		if there {
			s.outshone, at = time.Now(), []sight.Sighting{s.twinAt(twin.Seen)}
		}
		s.fire(rendezvousclient.EventTold)
		s.mu.Unlock()
		if there {
			s.see(at)
		}
	})
}
