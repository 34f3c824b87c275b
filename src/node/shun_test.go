package node

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
)

// TestRefusalsSaid has eve say all sorts of things with ERROR to who calls her: none but
// what the model knows is passed on, and each once.
func TestRefusalsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, api.NodeSecurityPlain)
		listener, err := s.memory.Host(outside).Listen(t.Context(), "tcp://*:*")
		s.ana.must(err)
		s.home = fmt.Sprint("tcp://", listener.Addr())
		called := make(chan *link.Link, 1)
		go func() {
			conn, err := listener.Accept()
			s.ana.must(err)
			k, err := link.Open(t.Context(), conn, link.Config{Type: zmtp.Router})
			s.ana.must(err)
			called <- k
			_ = k.Serve(func(b *link.Batch) error { b.Release(); return nil })
		}()
		go func() { _, _ = s.confront(mallory, nil, frame(s.greeting())) }()
		s.ana.wants("enter eve")
		k := <-called
		for _, reason := range []string{"", "x", "\x1b[2J", strings.Repeat("\n", 255), "Member", "member ", "0", "400"} {
			k.Refuse(reason)
		}
		k.Refuse(api.EventRefusalSealed.String())
		k.Refuse(api.EventRefusalSealed.String())
		s.ana.wants("refused eve "+guard.ErrUnknown.Error(), "refused eve "+api.EventRefusalSealed.Text())
		s.ana.idle(time.Second)
		s.ana.must(s.ana.Whisper(t.Context(), mallory, text("are you there?")))
		k.Refuse(api.EventRefusalName.String())
		s.ana.wants("refused eve "+api.EventRefusalName.Text(), "exit eve refused")
		s.unharmed()
		listener.Close()
	})
}
