package channel

import (
	"context"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/onceask"
)

// Place is where something was said.
type Place struct {
	path *Path
	end  uint64 // behind it
}

// Known tells whether the peer has acknowledged what was said there.
func (p Place) Known() bool {
	select {
	case <-p.path.replaced:
		return p.path.known >= p.end
	default:
		known, _ := p.path.Outbox.Acknowledged()
		return known >= p.end
	}
}

// Over is closed when nothing that the peer says can be about that any more: it is gone.
func (p Place) Over() <-chan struct{} { return p.path.replaced }

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
