package server

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
)

// TestEnterWhileClosing has a connection stand when Close has just ended all conversations that
// there are: it ends, too, and Close waits for no more than that.
func TestEnterWhileClosing(t *testing.T) {
	inScene(t, 0, open(), func(s *scene) {
		s.server.Close()
		l := must(link.Open(s.Context(), link.ToNobody(nil), link.Config{Type: zmtp.Router}))
		c := s.server.enter(l, netip.AddrPort{}, nil, func() {})
		if err := l.Serve(c.deliver); !errors.Is(err, link.ErrClosed) {
			s.Error(err)
		}
		c.end(nil)
		s.server.work.Wait()
	})
}
