package server

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	serving "github.com/sjohnr/at-once/generated/go/rendezvousserver"
)

// TestTurnedAwayTalks: who was turned away does not stay by talking on, whatever it says.
func TestTurnedAwayTalks(t *testing.T) {
	inScene(t, time.Millisecond, Policy{Allow: map[uuid.UUID]bool{}}, func(s *scene) {
		for _, more := range []func(r *raw, c *oncemsg.Challenge) oncemsg.Message{
			func(*raw, *oncemsg.Challenge) oncemsg.Message { return new(oncemsg.Renew) },
			func(r *raw, _ *oncemsg.Challenge) oncemsg.Message { return r.record(1) },
			func(r *raw, c *oncemsg.Challenge) oncemsg.Message { return r.proof(c) },
		} {
			r, challenge := s.raw("10.0.0.2", someone())
			r.refused(serving.ReasonStranger, r.ask(r.proof(challenge)))
			s.server.mu.Lock()
			for _, c := range s.server.sessions {
				if c.challenge != nil {
					t.Error("another proof is looked at, and one after that")
				}
			}
			s.server.mu.Unlock()
			for range 20 {
				time.Sleep(serving.DefaultLeaving / 4)
				r.send(2, more(r, challenge))
			}
			if n := s.server.Status().Connections; n != 0 {
				t.Errorf("who says %T stays", more(r, challenge))
			}
			r.close()
			r.ended()
		}
	})
}
