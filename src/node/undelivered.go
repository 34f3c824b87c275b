package node

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/channel"
)

// Missed is how much content a peer is not known to have got.
type Missed struct {
	UUID     uuid.UUID // the nil UUID where several are told together
	Name     string
	Messages uint64
	Octets   uint64 // of the messages, as they are on the wire
	Reason   string // why it is gone, as in an exit, or why it has missed that; empty if it may still get it
}

// Why a peer has missed something while it was here, as far as this node knows.
const (
	disconnected = "the connection was lost"
	overfull     = "it was suspect, and its queue had no room"
)

// missed are those who missed something.
type missed map[uuid.UUID]Missed

// unsealed is why a peer does not get what is said where all is sealed.
const unsealed = "it opens nothing that is sealed, and nothing else is said in the group"

// maxMissed is how many peers are told by name; what others missed is told together,
// as of a peer without name.
const maxMissed = 1024

func (m missed) add(p *Peer, what channel.Amount, reason string) {
	if what.Messages == 0 {
		return
	}
	id := p.UUID()
	if _, known := m[id]; !known && len(m) >= maxMissed {
		id, p = uuid.Nil, nobody
	}
	m[id] = Missed{id, p.Name(), m[id].Messages + what.Messages, m[id].Octets + what.Octets, cmp.Or(reason, m[id].Reason)}
}

// explain says why a peer is gone that missed something, if there was no more to say of why.
func (m missed) explain(id uuid.UUID, reason string) {
	if who, known := m[id]; known && (who.Reason == "" || who.Reason == disconnected) {
		who.Reason = reason
		m[id] = who
	}
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
	return fmt.Sprintf("%s (%s): %s", cmp.Or(m.Name, "others"), m.UUID, what)
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

// err returns what there is to be said of those who missed something.
func (m missed) err(cause error) error {
	if len(m) == 0 {
		return cause
	}
	e := &UndeliveredError{Cause: cause}
	for _, who := range m {
		e.Missed = append(e.Missed, who)
	}
	slices.SortFunc(e.Missed, func(a, b Missed) int { return slices.Compare(a.UUID[:], b.UUID[:]) })
	return e
}
