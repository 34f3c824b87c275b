package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	wire "github.com/sjohnr/at-once/generated/go/oncecontrol"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/zre"
)

// question is a QUESTION, and what has come of it.
type question struct {
	wire.Question
	number uint32
	over   chan struct{} // closed when that is known, or never will be

	answer *events.Event // nil if there is none
	failed *wire.Result  // why; nil if the conversation has ended
}

// awaits notes that the result of a question with the number of its call is waited for, unless
// the conversation has ended.
func (c *Client) awaits(q *question, number uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked != nil {
		q.number = number
		c.asked[number] = q
	}
	return c.asked != nil
}

// took takes in what has come of a question. It is Serve's.
func (c *Client) took(number uint32, m *wire.Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := c.asked[number]
	switch {
	case q == nil:
		return
	case m.Error != "":
		q.failed = m
	default:
		peer := c.known[q.Peer]
		if peer == nil {
			peer = zre.Described(zre.Description{ID: q.Peer, Badge: new(zre.Badge)})
		}
		q.answer = events.Kept(events.Facts{Type: api.EventTypeWhisper, Peer: peer, Status: m.Status, Content: m.Content, At: time.Now()})
	}
	delete(c.asked, number)
	close(q.over)
}

// errLost says that it is not known whether a peer has a question.
var errLost = fmt.Errorf("the process that ran the node has ended: %w", api.ErrStopped)

// Question asks a peer something, and waits for the answer.
func (c *Client) Question(ctx context.Context, peer uuid.UUID, content [][]byte) (*events.Event, error) {
	select {
	case c.questions <- struct{}{}:
		defer func() { <-c.questions }()
	default:
		return nil, api.ErrQuestions
	}
	q := &question{Question: wire.Question{Peer: peer, Content: content}, over: make(chan struct{})}
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.asked, q.number)
	}()
	_, err := c.talk(ctx, content, q)
	if errors.Is(err, errUnanswered) {
		return nil, fmt.Errorf("%w: %w", api.ErrUndelivered, err)
	}
	if err != nil {
		return nil, err
	}
	select {
	case <-q.over:
	case <-ctx.Done(): // the far side says what has come of it by now
		last, cancel := context.WithTimeout(context.Background(), Answering)
		defer cancel()
		if say(last, c.link, q.number, &wire.Cancel{}) == nil {
			select {
			case <-q.over:
			case <-last.Done():
				return nil, fmt.Errorf("%w: the question: %w", api.ErrUndelivered, ctx.Err())
			}
		}
	}
	switch {
	case q.answer != nil:
		return q.answer, nil
	case q.failed != nil:
		return nil, &fault{errors.Join(api.Errors[q.failed.Error], ctx.Err()), q.failed.Text}
	}
	return nil, fmt.Errorf("%w: the question: %w", api.ErrUndelivered, errLost)
}
