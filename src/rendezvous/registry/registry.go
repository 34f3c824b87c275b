// Package registry keeps who is in which network, in the order in which that has changed.
//
// Programs import bindings/go/once: what is here may change at any time.
package registry

import (
	"errors"
	"slices"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/rendezvous"
)

// ErrFull says that a network has as many nodes as it may have.
var ErrFull = errors.New("the network has as many nodes as it may have")

// Entry is what is kept of a node. It does not change.
type Entry struct {
	ID     uuid.UUID
	Tags   []rendezvous.Tag // sorted
	Octets []byte           // the ENTRY that others are told
	Key    []byte           // the sealing key, or nothing
	Gone   bool             // it is not there any more
}

// Has tells whether an entry has one of some tags.
func (e *Entry) Has(tags []rendezvous.Tag) bool { return have(e.Tags, tags) }

func have(sorted, tags []rendezvous.Tag) bool {
	return slices.ContainsFunc(tags, func(t rendezvous.Tag) bool {
		_, found := slices.BinarySearchFunc(sorted, t, rendezvous.CompareTags)
		return found
	})
}

// Page is a part of what has changed, the oldest first.
type Page struct {
	Entries []*Entry
	Cursor  uint64 // where the next page begins
	Anew    bool   // it begins with all that is there: the cursor given is not known
	More    bool   // there is more already
}

// Registry keeps who is in which network. All methods may be called from any goroutine.
type Registry interface {
	// Put keeps an entry in place of any other of its id. If it is quiet that counts as no
	// change. Errors are ErrFull, or those of where entries are kept.
	Put(network rendezvous.Number, e *Entry, quiet bool) error
	// Delete forgets an entry, if it is there.
	Delete(network rendezvous.Number, id uuid.UUID) error
	// Get returns an entry, nil if it is not there.
	Get(network rendezvous.Number, id uuid.UUID) *Entry
	// Size returns how many entries there are, and how many have a tag.
	Size(network rendezvous.Number, tag rendezvous.Tag) (all, tagged int)
	// List returns what has changed since a cursor, of entries that have one of some tags,
	// or had it. Its ENTRYs have no more than so many octets, but for one that is larger.
	List(network rendezvous.Number, tags []rendezvous.Tag, cursor uint64, octets int) Page
	// Changed returns of which tags there are, or were, entries that have changed since a
	// cursor, and up to where that tells; or that the cursor is not known.
	Changed(network rendezvous.Number, cursor uint64) (tags map[rendezvous.Tag]bool, now uint64, known bool)
	// Watch returns what is closed at the next change of a network.
	Watch(network rendezvous.Number) <-chan struct{}
}
