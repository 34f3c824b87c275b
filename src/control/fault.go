package control

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/sjohnr/at-once/generated/go/api"
	wire "github.com/sjohnr/at-once/generated/go/oncecontrol"
	"github.com/sjohnr/at-once/src/channel"
)

// nameOf returns the name of an error in the class models, or an empty string.
func nameOf(err error) string {
	for _, name := range slices.Sorted(maps.Keys(api.Errors)) {
		if errors.Is(err, api.Errors[name]) {
			return name
		}
	}
	return ""
}

// faultMessages say why a call has failed.
func faultMessages(err error) (list []wire.Message) {
	failed := &wire.Failed{Error: nameOf(err), Text: cut(err.Error(), wire.MaxFailedText)}
	var undelivered *channel.UndeliveredError
	if errors.As(err, &undelivered) {
		failed.Error = nameOf(api.ErrUndelivered)
		failed.Cause = nameOf(undelivered.Cause)
		for _, m := range undelivered.Missed {
			list = append(list, &wire.Missed{
				Peer: m.UUID, Name: cut(m.Name, wire.MaxMissedName), Messages: m.Messages, Octets: m.Octets,
				Reason: cut(m.Reason, wire.MaxMissedReason),
			})
		}
	}
	return append(list, failed)
}

// fault is an error that another process had.
type fault struct {
	kind error // of the class models, or nil
	text string
}

func (f *fault) Error() string { return f.text }
func (f *fault) Unwrap() error { return f.kind }

// faultOf is the inverse of faultMessages, for a caller whose wait may have ended: it returns
// nil for what says of no fault.
func faultOf(ctx context.Context, list []wire.Message) error {
	if len(list) == 0 {
		return errUnanswered
	}
	last := len(list) - 1
	failed, ok := list[last].(*wire.Failed)
	if !ok {
		return nil
	}
	var missed []channel.Missed
	for _, m := range list[:last] {
		if m, ok := m.(*wire.Missed); ok {
			missed = append(missed, channel.Missed{UUID: m.Peer, Name: m.Name, Messages: m.Messages, Octets: m.Octets, Reason: m.Reason})
		}
	}
	kind := api.Errors[failed.Error]
	switch {
	case len(missed) > 0:
		return &channel.UndeliveredError{Missed: missed, Cause: errors.Join(ctx.Err(), api.Errors[failed.Cause])}
	case ctx.Err() != nil && failed.Error == "":
		return ctx.Err()
	case errors.Is(kind, api.ErrStopped):
		return ErrGone // it is about to be
	}
	return &fault{kind, failed.Text}
}
