package once_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/once"
	"github.com/sjohnr/at-once/bindings/go/once/oncetest"
)

// TestErrorsSayWhatIsAllowed has a node do what it cannot: the error says what was asked for,
// and what can be.
func TestErrorsSayWhatIsAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := oncetest.New(t, 1)
		var nodes []*once.Node
		for _, address := range []string{"10.0.0.1", "10.0.0.2"} {
			node, err := once.Start(network.Host(address).Context(), once.Config{Groups: []string{"room"}, MaxMessage: 64 << 10})
			if err != nil {
				t.Fatal(err)
			}
			defer node.Close()
			nodes = append(nodes, node)
		}
		for event := range nodes[0].Events(t.Context()) {
			if _, ok := event.(*once.Join); ok {
				break
			}
		}
		large := make([]byte, 64<<10)
		_, shout := nodes[0].Shout(t.Context(), "room", large)
		for _, c := range []struct {
			err, kind error
			says      string
		}{
			{nodes[0].Whisper(t.Context(), nodes[1].UUID(), large), once.ErrTooLarge, " in 1 frames, and 65536 octets in 65536 frames are the most"},
			{shout, once.ErrTooLarge, " in 1 frames, and 65536 octets in 65536 frames are the most"},
			{second(nodes[0].Ask(t.Context(), nodes[1].UUID(), large)), once.ErrTooLarge, "65536 octets in 65536 frames are the most"},
			{second(nodes[0].Ask(t.Context(), nodes[1].UUID())), once.ErrArgument, "1 to 65534"},
			{nodes[0].Reply(t.Context(), once.NoQuestion, large), once.ErrAnswered, "no such question waits for an answer"},
			{nodes[0].ReplyError(t.Context(), 7, 0, large), once.ErrArgument, "ReplyError: status: want another than 0"},
			{nodes[0].Connect(uuid.Nil, nodes[1].Endpoint()), once.ErrArgument, "Connect: peer: want the UUID of a node"},
		} {
			if !errors.Is(c.err, c.kind) || !strings.Contains(c.err.Error(), c.says) {
				t.Errorf("the error is %v, want one that is %q and says %q", c.err, c.kind, c.says)
			}
		}
	})
}
