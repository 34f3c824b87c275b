package channel

import (
	"context"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/onceask"
)

// Exchange queues a question, or the answer to one, as [Sender.Whisper] does. The error is
// api.ErrNoQuestions if there is no channel with the peer that outlives links.
func (s *Sender) Exchange(ctx context.Context, to *Channel, m onceask.Message) (Place, error) {
	if len(m.Frames()) == 0 {
		return Place{}, api.ErrArgument
	}
	head, err := m.AppendTo(nil)
	if err != nil {
		return Place{}, err
	}
	return s.say(ctx, to, append([][]byte{head}, m.Frames()...), true)
}
