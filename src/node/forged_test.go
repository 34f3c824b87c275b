package node

import (
	"testing"
	"testing/synctest"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncecard"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
)

// TestForgedCardIsNotOutOfDate shows ben's card with other dates in his name, without any key
// of his: that is told, and not that a clock is wrong.
func TestForgedCardIsNotOutOfDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, api.NodeSecurityAuto)
		hello := s.overheard(s.ana)
		*header(hello, guard.HeaderCard) = reissued(s, *header(hello, guard.HeaderCard), func(c *oncecard.Card) {
			c.NotBefore -= 3 * 7200
			c.Expiry -= 3 * 7200
		})
		_, _ = s.confront(s.ben.UUID(), nil, frame(hello))
		s.refused("ben", identity.ErrForged)
	})
}
