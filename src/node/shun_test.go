package node

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/identity"
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
		s.ana.wants("refused eve "+errUnknown.Error(), "refused eve "+api.EventRefusalSealed.Text())
		s.ana.idle(time.Second)
		s.ana.must(s.ana.Whisper(t.Context(), mallory, text("are you there?")))
		k.Refuse(api.EventRefusalName.String())
		s.ana.wants("refused eve "+api.EventRefusalName.Text(), "exit eve refused")
		s.unharmed()
		listener.Close()
	})
}

// TestRefusalOf tells nobody more than the model has.
func TestRefusalOf(t *testing.T) {
	for _, c := range []struct {
		why  error
		want api.EventRefusal
	}{
		{fmt.Errorf("%w: %w", identity.ErrMember, identity.ErrExpired), api.EventRefusalMember},
		{fmt.Errorf("%w: ben", identity.ErrPinned), api.EventRefusalName},
		{fmt.Errorf("card: %w", identity.ErrExpired), api.EventRefusalExpired},
		{fmt.Errorf("X-ONCE-CARD: %w", identity.ErrMalformed), api.EventRefusalProof},
		{errProof, api.EventRefusalProof},
		{fmt.Errorf("names on first use: %w", identity.ErrFull), api.EventRefusalFault},
		{&net.OpError{Op: "write"}, api.EventRefusalFault},
	} {
		if got := refusalOf(c.why); got != c.want || refusalSaid(got.String()) != got {
			t.Errorf("%v: %v", c.why, got)
		}
	}
}

// TestShuns keeps so many that are not called, and lets the old go for the new.
func TestShuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shuns{known: map[shunned]shun{}}
		where := func(i int) shunned { return shunned{mallory, fmt.Sprintf("10.0.0.1:%d", i)} }
		for i := range 2 * maxShunned {
			s.add(where(i), true)
		}
		s.add(where(0), false)
		for i, want := range map[int][2]bool{0: {true, false}, 1: {true, true}, maxShunned: {false, false}} {
			if known, theirs := s.of(where(i)); [2]bool{known, theirs} != want {
				t.Errorf("%d: %v, %v", i, known, theirs)
			}
		}
		time.Sleep(turnedAwayLife + 1)
		s.add(where(maxShunned), true)
		if known, _ := s.of(where(maxShunned)); !known || len(s.known) != 2 {
			t.Errorf("%v, of %d", known, len(s.known))
		}
		s.remove(where(0))
		if known, _ := s.of(where(0)); known {
			t.Error("it was removed")
		}
	})
}
