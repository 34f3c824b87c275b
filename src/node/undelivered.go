package node

import (
	"cmp"
	"slices"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/channel"
)

// What is told of content that was not delivered.
type (
	Missed           = channel.Missed
	UndeliveredError = channel.UndeliveredError
)

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
	m[id] = Missed{
		UUID: id, Name: p.Name(), Messages: m[id].Messages + what.Messages, Octets: m[id].Octets + what.Octets,
		Reason: cmp.Or(reason, m[id].Reason),
	}
}

// explain says why a peer is gone that missed something, if there was no more to say of why.
func (m missed) explain(id uuid.UUID, reason string) {
	if who, known := m[id]; known && (who.Reason == "" || who.Reason == disconnected) {
		who.Reason = reason
		m[id] = who
	}
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
