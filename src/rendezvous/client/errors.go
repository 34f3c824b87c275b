package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	serving "github.com/sjohnr/at-once/generated/go/rendezvousserver"
)

// Errors of a client.
var (
	ErrAway      = errors.New("there is no connection to the server now")
	ErrHandshake = errors.New("it ends connections in the handshake: the KEY of its address may be another's, or it takes no more now")
	ErrServer    = errors.New("who answers there is not the server that was there before")
	ErrUnproved  = errors.New("what the peer is said to have answered is not from it")
	ErrUnknown   = errors.New("the server knows no such peer, or tells of none that is right")
)

// RefusedError says why a server does not do what was asked for.
type RefusedError struct {
	Reason serving.Reason
	Text   string        // in the server's words
	Retry  time.Duration // after which it may be tried again; 0 is not at all as it is
}

// Away tells whether an error says that the server, or the peer at the server, is not there,
// which says nothing of where the peer is.
func Away(err error) bool {
	no := new(RefusedError)
	gone := errors.As(err, &no) && (no.Reason == serving.ReasonUnknown || no.Reason == serving.ReasonUnanswered)
	return gone || errors.Is(err, ErrAway) || errors.Is(err, ErrUnknown) || errors.Is(err, context.DeadlineExceeded)
}

func (e *RefusedError) Error() string { return fmt.Sprintf("the server says %q", e.Text) }

func refused(m *oncemsg.Nope) *RefusedError {
	return &RefusedError{serving.Reason(m.Code), m.Text, time.Duration(m.Retry) * time.Millisecond}
}
