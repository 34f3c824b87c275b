package link

import (
	"errors"
	"fmt"
	"net"
)

// EndpointError is ErrEndpoint, and says what is wanted.
type EndpointError struct{ Endpoint, Want string }

func (e *EndpointError) Error() string {
	return fmt.Sprintf("%v %q: want %s", ErrEndpoint, e.Endpoint, e.Want)
}

// Unwrap returns [ErrEndpoint].
func (e *EndpointError) Unwrap() error { return ErrEndpoint }

var (
	// ErrClosed says that the link has ended. It is net.ErrClosed too; where
	// something other than Close ended the link, errors wrap that as well.
	ErrClosed = fmt.Errorf("link: %w", net.ErrClosed)
	// ErrWouldBlock says that there is no room in the outbox now.
	ErrWouldBlock = errors.New("link: outbox full")
	// ErrOverflow says that even the room for control messages is full.
	ErrOverflow = errors.New("link: no room for a control message")
	// ErrSilent says that the far side gave no sign of life in time.
	ErrSilent = errors.New("link: far side is silent")
	// ErrEndpoint says that an endpoint is not of the form tcp://ADDR:PORT.
	ErrEndpoint = errors.New("bad endpoint")
)

// closed returns an ErrClosed with its cause, which may be nil.
func closed(cause error) error {
	if cause == nil {
		return ErrClosed
	}
	return fmt.Errorf("%w: %w", ErrClosed, cause)
}
