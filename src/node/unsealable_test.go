package node

import (
	"context"
	"crypto/sha256"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncecard"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/wire"
)

// lowOrder is eve's HELLO in the room, with a card that is right and signed, and whose key
// of X25519 is of low order: nothing can be sealed for it.
func (s *scene) lowOrder() *zremsg.Hello {
	hello := s.greeting()
	hello.Groups = []string{"room"}
	hello = without(s.signed(hello), guard.HeaderProof)
	octets, err := identity.ParseBase64(*header(hello, guard.HeaderCard))
	var m oncecard.Card
	s.ana.must(errors.Join(err, m.Decode(octets, nil)))
	key := s.key()
	clear(key[len(key)-32:])
	digest := sha256.Sum256(key)
	m.Sealing = digest[:]
	octets, err = m.AppendTo(nil)
	s.ana.must(err)
	m.Proof = s.eve.Identity.Sign("once_card 1", func(b []byte) []byte { return append(b, octets[:len(octets)-wire.SizeBytes(make([]byte, 64))]...) })
	octets, err = m.AppendTo(nil)
	s.ana.must(err)
	*header(hello, guard.HeaderCard) = identity.Base64(octets)
	*header(hello, guard.HeaderSealing) = identity.Base64(key)
	proof := guard.Prove(s.eve.Identity, hello, s.ana.UUID(), [guard.NonceSize]byte{})
	hello.Headers = append(hello.Headers, wire.Pair{Key: guard.HeaderProof, Value: proof})
	return hello
}

// TestShoutPastMemberWithoutKey shouts to a group with a member that nothing can be sealed
// for: the others get it.
func TestShoutPastMemberWithoutKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, api.NodeSecurityAuto, func(n *Node) { n.settings.Outbox = 4 << 10; n.settings.Inbox = 4 << 10 })
		s.ana.must(s.cleo.Leave("room"))
		s.ana.wants("leave cleo room")
		s.ben.wants("leave cleo room")
		go s.confront(s.eve.Identity.UUID(), nil, frame(s.lowOrder()))
		s.ana.wants("enter eve", "join eve room")
		s.ana.must(s.cleo.Join("room"))
		s.ana.wants("join cleo room")
		s.ben.wants("join cleo room")
		go func() {
			for {
				if _, err := s.ben.Recv(t.Context()); err != nil {
					return
				}
			}
		}()
		for i := range 5000 { // cleo does not read, so that her queue is full
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			if err := s.ana.Whisper(ctx, s.cleo.UUID(), [][]byte{make([]byte, 1000)}); err != nil {
				t.Log("full after", i)
				cancel()
				break
			}
			cancel()
		}
		time.AfterFunc(time.Second, func() { // now she reads all
			for {
				e, err := s.cleo.Recv(t.Context())
				if err != nil {
					return
				}
				if e.Type() == api.EventTypeShout {
					t.Log("cleo has the shout")
				}
			}
		})
		sent, err := s.ana.Shout(t.Context(), "room", [][]byte{make([]byte, 3000)})
		t.Logf("sent %d: %v", sent, err)
		if err != nil || sent != 2 {
			t.Errorf("ben and cleo can have it, and eve keeps it from cleo")
		}
		t.Log("flush:", s.ana.Flush(t.Context()))
		time.Sleep(2 * time.Minute)
	})
}
