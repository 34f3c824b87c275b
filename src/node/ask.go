package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/onceask"
	"github.com/sjohnr/at-once/src/channel"
)

// Ask asks a peer something and waits for the answer, a whisper of the peer that lasts. See
// [Node.Question] and [Asked.Answer].
func (n *Node) Ask(ctx context.Context, peer uuid.UUID, content [][]byte) (*Event, error) {
	asked, err := n.Question(ctx, peer, content)
	if err != nil {
		return nil, err
	}
	return asked.Answer(ctx)
}

// Question queues a question for a peer, as [Node.Whisper] does a message. After an error
// nothing was queued; else Answer is to be called, once.
func (n *Node) Question(ctx context.Context, peer uuid.UUID, content [][]byte) (*Asked, error) {
	to, err := n.meet(ctx, peer)
	if err != nil {
		return nil, err
	}
	a, number := n.asks.begin(to)
	if a == nil {
		return nil, api.ErrQuestions
	}
	place, err := n.sender.Load().Exchange(ctx, to, &onceask.Question{Number: number, Content: content})
	if err != nil {
		n.asks.end(number)
		if errors.Is(err, api.ErrNoPeer) {
			err = n.absent()
		}
		return nil, err
	}
	return &Asked{n, a, number, place}, nil
}

// Asked is a question that was queued.
type Asked struct {
	node   *Node
	ask    *ask
	number uint64
	at     channel.Place
}

// errGone is why a question is not answered any more.
var errGone = errors.New("it is gone")

// Answer waits for the answer. The error is api.ErrNoAnswer if the peer has the question, and
// api.ErrUndelivered if that is not known; and what has ended the wait.
func (q *Asked) Answer(ctx context.Context) (*Event, error) {
	cause := errGone
	select {
	case answer := <-q.ask.answer:
		return answer, nil
	case <-q.at.Over():
	case <-ctx.Done():
		cause = ctx.Err()
	}
	if !q.node.asks.end(q.number) { // it has come meanwhile
		return <-q.ask.answer, nil
	}
	if cause == errGone {
		cause = cmp.Or(q.node.running(), errGone)
	}
	if q.at.Known() {
		return nil, fmt.Errorf("%w: %w", api.ErrNoAnswer, cause)
	}
	return nil, fmt.Errorf("%w: the question: %w", api.ErrUndelivered, cause)
}

// Reply answers a question, as the event that brought it numbers it. It queues the answer
// as [Node.Whisper] does a message; after an error the question still waits, as long as the
// peer is there.
func (n *Node) Reply(ctx context.Context, question uint64, status uint32, content [][]byte) error {
	if err := n.running(); err != nil {
		return err
	}
	q, waits := n.questions.take(question)
	if !waits {
		return api.ErrAnswered
	}
	_, err := n.sender.Load().Exchange(ctx, q.from, &onceask.Answer{Number: q.number, Status: status, Content: content})
	if err != nil {
		n.questions.put(question, q)
	}
	return err
}
