package client

import (
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/rendezvous"
)

// maxBackoff is the longest that a client waits after something that has failed. It begins
// anew with firstBackoff after a conversation that was of use for long enough, and for longer
// than there was none before: a server that fails again and again is left alone ever longer.
const (
	firstBackoff = 500 * time.Millisecond
	maxBackoff   = time.Minute
	enough       = 5 * time.Second
)

// standing is how things stand with the server. It is under the lock of the client.
type standing struct {
	turned    func()              // to be told that State is another; nil is nobody
	server    uuid.UUID           // zeros until it has shown its id
	trouble   string              // why there is no session; nothing if there is
	away      bool                // the latest attempt has failed
	refused   *RefusedError       // by which it has; nil if that was not it
	found     time.Time           // since when the latest session is of use; zero for none
	retry     time.Duration       // the server has asked to wait for so long
	elsewhere *rendezvous.Address // where the server has said to go until it is back
}

// turn tells that State is another.
func (s *standing) turn() {
	if s.turned != nil {
		s.turned()
	}
}

// fail notes why there is no session.
func (s *standing) fail(err error) {
	s.away = s.trouble != "" // else it is about to be tried again
	s.trouble, s.refused = err.Error(), nil
	errors.As(err, &s.refused)
	s.turn()
}

// stand notes that the session is of use.
func (s *standing) stand() {
	if s.trouble != "" {
		s.trouble, s.away, s.refused, s.found = "", false, nil, time.Now()
		s.turn()
	}
}

// stood returns for how long the latest session was of use, if it has just ended.
func (s *standing) stood() time.Duration {
	if s.found.IsZero() {
		return 0
	}
	return time.Since(s.found)
}
