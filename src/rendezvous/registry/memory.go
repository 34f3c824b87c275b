package registry

import (
	"container/list"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/src/rendezvous"
)

// maxGone is how many of those who are gone are remembered, beside a quarter of those who
// are there. maxFormer is how many tags are remembered that a node had.
const (
	maxGone   = 1024
	maxFormer = 256
)

// Memory is a registry in memory. Cursors of another are not known to it: changes of all
// networks are counted together, from the time in nanoseconds at which it was made.
type Memory struct {
	mu       sync.Mutex
	last     uint64 // change
	networks map[rendezvous.Number]*network
	fresh    chan struct{} // closed when there is another network
}

// NewMemory returns an empty registry.
func NewMemory() *Memory {
	return &Memory{last: uint64(time.Now().UnixNano()), networks: map[rendezvous.Number]*network{}, fresh: make(chan struct{})}
}

// network is one network with somebody in it, under the lock of its registry.
type network struct {
	entries map[uuid.UUID]*list.Element
	order   *list.List // of *kept, by the change
	gone    *list.List // of those elements of order that are gone
	tags    map[rendezvous.Tag]int
	lost    uint64 // the last change that is not known any more
	changed chan struct{}
}

// kept is an entry, and when it changed.
type kept struct {
	*Entry
	change uint64
	former []rendezvous.Tag // that it had, sorted
}

func (m *Memory) of(number rendezvous.Number) *network {
	n := m.networks[number]
	if n == nil {
		n = &network{
			entries: map[uuid.UUID]*list.Element{}, order: list.New(), gone: list.New(),
			tags: map[rendezvous.Tag]int{}, lost: m.last, changed: make(chan struct{}),
		}
		m.networks[number] = n
		close(m.fresh)
		m.fresh = make(chan struct{})
	}
	return n
}

func (m *Memory) Put(number rendezvous.Number, e *Entry, quiet bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.of(number)
	old := n.entries[e.ID]
	switch {
	case len(n.entries) >= oncemsg.MaxNetwork && old == nil:
		return ErrFull
	case old != nil && quiet:
		k := old.Value.(*kept)
		n.count(k.Entry, -1)
		n.count(e, 1)
		k.Entry = e
		return nil
	}
	k := &kept{Entry: e}
	if old != nil {
		before := old.Value.(*kept)
		k.former = former(before, e)
		n.count(before.Entry, -1)
		n.order.Remove(old)
	}
	n.count(e, 1)
	n.entries[e.ID] = m.change(n, k)
	return nil
}

// former returns the tags that an entry had before and that another has not.
func former(before *kept, e *Entry) []rendezvous.Tag {
	tags := slices.DeleteFunc(slices.Concat(before.former, before.Tags), func(t rendezvous.Tag) bool {
		return e.Has([]rendezvous.Tag{t})
	})
	slices.SortFunc(tags, compare)
	tags = slices.Compact(tags)
	return slices.Clip(tags[:min(len(tags), maxFormer)])
}

func (n *network) count(e *Entry, by int) {
	for _, tag := range e.Tags {
		if n.tags[tag] += by; n.tags[tag] == 0 {
			delete(n.tags, tag)
		}
	}
}

// change notes that something in a network is as it is from now on.
func (m *Memory) change(n *network, k *kept) *list.Element {
	m.last++
	k.change = m.last
	close(n.changed)
	n.changed = make(chan struct{})
	return n.order.PushBack(k)
}

func (m *Memory) Delete(number rendezvous.Number, id uuid.UUID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.networks[number]
	if n == nil || n.entries[id] == nil {
		return nil
	}
	old := n.entries[id]
	before := old.Value.(*kept)
	delete(n.entries, id)
	n.count(before.Entry, -1)
	n.order.Remove(old)
	if len(n.entries) == 0 {
		m.last++         // so that nobody knows what comes after
		close(n.changed) // who watches it looks again
		delete(m.networks, number)
		return nil
	}
	n.gone.PushBack(m.change(n, &kept{Entry: &Entry{ID: id, Tags: before.Tags, Gone: true}, former: before.former}))
	for n.gone.Len() > maxGone+len(n.entries)/4 {
		oldest := n.gone.Remove(n.gone.Front()).(*list.Element)
		n.lost = max(n.lost, n.order.Remove(oldest).(*kept).change)
	}
	return nil
}

func (m *Memory) Get(number rendezvous.Number, id uuid.UUID) *Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.networks[number]; n != nil && n.entries[id] != nil {
		return n.entries[id].Value.(*kept).Entry
	}
	return nil
}

func (m *Memory) Size(number rendezvous.Number, tag rendezvous.Tag) (all, tagged int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.networks[number]; n != nil {
		return len(n.entries), n.tags[tag]
	}
	return 0, 0
}

func (m *Memory) List(number rendezvous.Number, tags []rendezvous.Tag, cursor uint64, octets int) (page Page) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.networks[number]
	if n == nil {
		return Page{Cursor: m.last, Anew: true}
	}
	if page.Anew = cursor < n.lost || cursor > m.last; page.Anew {
		cursor = 0
	}
	for at := n.after(cursor); at != nil; at = at.Next() {
		k := at.Value.(*kept)
		if k.Gone && page.Anew || !k.Has(tags) && !have(k.former, tags) {
			continue
		}
		if octets -= len(k.Octets); (octets < 0 || len(page.Entries) == oncemsg.MaxDeltaEntries) && len(page.Entries) > 0 {
			page.More = true
			return page
		}
		page.Cursor = k.change
		page.Entries = append(page.Entries, k.Entry)
	}
	page.Cursor = m.last
	return page
}

// after returns the first element that has changed after a change.
func (n *network) after(change uint64) (first *list.Element) {
	if change == 0 {
		return n.order.Front()
	}
	for e := n.order.Back(); e != nil && e.Value.(*kept).change > change; e = e.Prev() {
		first = e
	}
	return first
}

func (m *Memory) Watch(number rendezvous.Number) <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.networks[number]; n != nil {
		return n.changed
	}
	return m.fresh
}
