package control

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	wire "github.com/sjohnr/at-once/generated/go/oncecontrol"
	"github.com/sjohnr/at-once/src/events"
)

// TestQuestionsCrossTheSocket asks through the node, many at a time, and ends the wait in each
// way: what the error says of the question is what the node has said.
func TestQuestionsCrossTheSocket(t *testing.T) {
	s := newStage(t)
	c, _ := s.client()
	ctx := t.Context()
	if _, err := c.Question(ctx, ben.UUID(), [][]byte{{1}}); !errors.Is(err, api.ErrNoQuestions) {
		t.Errorf("of a plain peer: %v", err)
	}
	has := errors.New("it has it")
	s.answer = func(ctx context.Context, content [][]byte) (*events.Event, error) {
		switch string(content[0]) {
		case "never":
			<-ctx.Done()
			return nil, fmt.Errorf("%w: %w", api.ErrNoAnswer, ctx.Err())
		case "gone":
			return nil, fmt.Errorf("%w: %w", api.ErrUndelivered, api.ErrStopped)
		case "has":
			return nil, fmt.Errorf("%w: %w", api.ErrNoAnswer, has)
		}
		return events.Kept(events.Facts{Status: 7, Content: append([][]byte{[]byte("so")}, content...)}), nil
	}
	var all sync.WaitGroup
	for n := range 3 * wire.MaxCalls { // more than calls that may wait
		all.Go(func() {
			words := fmt.Sprint(n)
			e, err := c.Question(ctx, ben.UUID(), [][]byte{[]byte(words), nil})
			if err != nil || e.Status() != 7 || len(e.Msg()) != 3 || string(e.Msg()[1]) != words || e.Peer().UUID() != ben.UUID() {
				t.Errorf("%v, %v", e, err)
			}
		})
	}
	all.Wait()
	brief, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	if _, err := c.Question(brief, ben.UUID(), [][]byte{[]byte("never")}); !errors.Is(err, api.ErrNoAnswer) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without an answer in time: %v", err)
	}
	if _, err := c.Question(ctx, ben.UUID(), [][]byte{[]byte("gone")}); !errors.Is(err, api.ErrUndelivered) || errors.Is(err, ErrGone) {
		t.Errorf("of one that is gone: %v", err)
	}
	if _, err := c.Question(ctx, ben.UUID(), [][]byte{[]byte("has")}); !errors.Is(err, api.ErrNoAnswer) || err.Error() != api.ErrNoAnswer.Error()+": it has it" {
		t.Errorf("of one that has it: %v", err)
	}
	if err := c.Reply(ctx, 12, 3, [][]byte{[]byte("that")}); err != nil || s.did()[0] != "reply 12 3 that" {
		t.Errorf("it did %q, %v", s.did(), err)
	}
	if err := c.Reply(ctx, 0, 0, [][]byte{[]byte("that")}); !errors.Is(err, api.ErrAnswered) {
		t.Errorf("of no question: %v", err)
	}
	for range wire.MaxQuestions {
		c.questions <- struct{}{}
	}
	if _, err := c.Question(ctx, ben.UUID(), [][]byte{[]byte("more")}); !errors.Is(err, api.ErrQuestions) {
		t.Errorf("of one too many: %v", err)
	}
	for range wire.MaxQuestions {
		<-c.questions
	}
	lost := make(chan error)
	go func() {
		_, err := c.Question(ctx, ben.UUID(), [][]byte{[]byte("never")})
		lost <- err
	}()
	until(t, "queued", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return len(c.asked) == 1 && len(c.calls) == 0 })
	_ = c.link.Close() // as if the process had ended
	if err := <-lost; !errors.Is(err, api.ErrUndelivered) || !errors.Is(err, api.ErrStopped) || errors.Is(err, ErrGone) {
		t.Errorf("when the process ends: %v", err)
	}
}
