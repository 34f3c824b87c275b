package channel

import (
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
)

// Missed is how much content a peer is not known to have got.
type Missed struct {
	UUID     uuid.UUID // the nil UUID where several are told together
	Name     string
	Messages uint64
	Octets   uint64 // of the messages, as they are on the wire
	Reason   string // why it is gone, as in an exit, or why it has missed that; empty if it may still get it
}

// String says how much, for people.
func (m Missed) String() string {
	what := fmt.Sprintf("%d messages", m.Messages)
	if m.Messages == 1 {
		what = "1 message"
	}
	if m.Octets > 0 {
		what += fmt.Sprintf(", %d octets", m.Octets)
	}
	if m.Reason != "" {
		what += ", " + m.Reason
	}
	if m.UUID == uuid.Nil {
		return "others: " + what
	}
	return fmt.Sprintf("%s (%s): %s", m.Name, m.UUID, what)
}

// UndeliveredError says that peers are not known to have got content. It is
// api.ErrUndelivered, and what ended the wait for them, if something did.
type UndeliveredError struct {
	Missed []Missed // in the order of their UUIDs
	Cause  error    // nil if none of them is waited for
}

func (e *UndeliveredError) Error() string {
	var b strings.Builder
	b.WriteString(api.ErrUndelivered.Error())
	for i, m := range e.Missed {
		if i == 4 {
			fmt.Fprintf(&b, "; and %d more peers", len(e.Missed)-i)
			break
		}
		fmt.Fprintf(&b, "; %v", m)
	}
	if e.Cause != nil {
		fmt.Fprintf(&b, ": %v", e.Cause)
	}
	return b.String()
}

func (e *UndeliveredError) Unwrap() []error {
	if e.Cause == nil {
		return []error{api.ErrUndelivered}
	}
	return []error{api.ErrUndelivered, e.Cause}
}
