package node

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/identity"
)

// maxChanges is how many changes of a roll are told one by one.
const maxChanges = 16

// changes returns what differs from the roll and the token before, for people.
func (l *rolls) changes(was *rolls) (notes []string) {
	roll, token := l.roll, l.token
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	if !roll.Network.Equal(was.roll.Network) {
		note("the network has another key now, and takes its members along")
	}
	for id, until := range roll.Revoked {
		if until.After(was.roll.Revoked[id]) && id != l.guard.ID {
			note("the network has revoked the membership of %s", l.called(was.roll, id))
		}
	}
	for id, t := range roll.Tokens {
		if name := l.nameOf(id, was.roll); name != "" && name != t.Name {
			note("the network calls %s %q now", l.called(was.roll, id), t.Name)
		}
	}
	if more := len(notes) - maxChanges; more > 0 {
		notes = append(notes[:maxChanges], fmt.Sprintf("the network's roll has %d more changes", more))
	}
	switch {
	case roll.Voids(token) && !was.roll.Voids(was.token):
		note("the network has revoked the membership of this node: the others let it in no more; ask who made the network for another invite")
	case !token.Is(was.token):
		note("the network has renewed the membership of this node: as %q, until %s", token.Name, token.Expiry.Format(time.DateTime))
	}
	if len(notes) == 0 && roll.Rank() != was.roll.Rank() {
		note("the network has a new roll, number %d", roll.Number)
	}
	return notes
}

// nameOf returns the name of a member, by a roll or as one that is present, or nothing.
func (l *rolls) nameOf(id uuid.UUID, roll *identity.Roll) string {
	if t := roll.Tokens[id]; t != nil {
		return t.Name
	}
	if c := l.find(id); c != nil {
		return c.Peer().Name()
	}
	return ""
}

// called returns how a member is called.
func (l *rolls) called(roll *identity.Roll, id uuid.UUID) string {
	if name := l.nameOf(id, roll); name != "" {
		return fmt.Sprintf("%q (%s)", name, id)
	}
	return id.String()
}
