package share

import (
	"context"
	"errors"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/control"
	"github.com/sjohnr/at-once/src/events"
)

// elsewhere makes a call where another process runs the node, and tells whether one does.
// If that ends, the call is made again where the node runs then.
func elsewhere[T any](s *seat, call func(*control.Client) (T, error)) (value T, there bool, err error) {
	for t := s.far.Load(); t != nil; {
		if value, err = call(t.Client); !errors.Is(err, control.ErrGone) {
			return value, true, err
		}
		<-t.over
		next := s.far.Load()
		if next == t {
			return value, true, api.ErrStopped
		}
		t = next
	}
	return value, false, nil
}

// done makes a call of a method that returns nothing else than an error.
func done(call func(*control.Client) error) func(*control.Client) (struct{}, error) {
	return func(far *control.Client) (struct{}, error) { return struct{}{}, call(far) }
}

// look returns what is known where another process runs the node, if one does.
func (s *seat) look() (view *events.View, there bool, err error) {
	return elsewhere(s, (*control.Client).Look)
}

// ask asks of a subject where another process runs the node, and tells whether one does.
func (s *seat) ask(ctx context.Context, subject string, argument []byte) (values map[string]string, there bool, err error) {
	return elsewhere(s, func(far *control.Client) (map[string]string, error) { return far.Ask(ctx, subject, argument) })
}

// askKnown is ask for what the node knows at once.
func (s *seat) askKnown(subject string, argument []byte) (values map[string]string, there bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), control.Answering)
	defer cancel()
	return s.ask(ctx, subject, argument)
}
