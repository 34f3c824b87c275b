package once

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/check"
)

// Question is what a peer has asked by [Node.Ask], and [Node.Reply] answers. It is a number,
// which the program may keep as long as it likes.
type Question uint64

// NoQuestion is that of a message to which no answer is expected.
const NoQuestion Question = 0

// AnswerError is the answer of a peer's program that it has none.
type AnswerError struct {
	Status  uint32   // not 0; what it says is between the two programs
	Content [][]byte // one entry a frame
}

// Error tells the status, and the beginning of the content.
func (e *AnswerError) Error() string {
	return fmt.Sprintf("the peer answers with status %d: %s", e.Status, excerpt(e.Content))
}

// Ask asks one peer something, and waits for the answer, whose frames it returns. The peer's
// program gets the question as a [Whisper] with a Question, and answers by [Node.Reply]. As
// a whisper does, it outlives broken connections, and comes exactly once.
//
// There is one answer, or an error, which says what has become of the question. It is
// an [*AnswerError] if the peer's program says that it has no answer; [ErrNoAnswer] if the
// peer has the question, and was not heard of it when ctx ended, the peer left or this
// node stopped; and [ErrUndelivered] if the peer may not even have it by then. Those two
// are what ended the wait, too: ctx's error, or [ErrStopped]. After other errors the
// peer never gets it: [ErrNoQuestions] if it is a plain ZRE node, which knows none;
// [ErrQuestions] if 1024 to the peer wait already, or 16384 of the node; and those of
// [Node.Whisper]. Who asks may use a time-out: a program that does not expect questions
// leaves them unanswered. Events have to be read meanwhile: what the peer has said before its answer
// comes before it, and waits if Config.Inbox is full.
func (n *Node) Ask(ctx context.Context, peer uuid.UUID, content ...[]byte) ([][]byte, error) {
	e, err := n.engine().Ask(ctx, peer, content)
	if err != nil {
		return nil, named("Ask", err)
	}
	if e.Status() != 0 {
		return nil, &AnswerError{e.Status(), e.Msg()}
	}
	return e.Msg(), nil
}

// Reply answers a question of a peer, once, from any goroutine, at any time while the peer is
// there. It waits while the peer's queue is full, until ctx ends; then, and after other errors but
// the first, it may be tried again. It fails with [ErrAnswered] if the question does not wait: it
// has an answer, the peer is gone, or it has asked 1024 more since; and as [Node.Whisper] does.
func (n *Node) Reply(ctx context.Context, question Question, content ...[]byte) error {
	return named("Reply", n.engine().Reply(ctx, uint64(question), 0, content))
}

// ReplyError answers as [Node.Reply] does, but that there is no answer: the peer's Ask returns
// an [*AnswerError] with the status and the content, which say why. It fails as Reply does, and with
// [ErrArgument] if the status is 0.
func (n *Node) ReplyError(ctx context.Context, question Question, status uint32, content ...[]byte) error {
	if status == 0 && n.engine() != nil {
		return named("ReplyError", check.Given("ReplyError", "status", false, "another than 0"))
	}
	return named("ReplyError", n.engine().Reply(ctx, uint64(question), status, content))
}
