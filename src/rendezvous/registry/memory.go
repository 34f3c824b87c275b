package registry

import (
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
	entries map[uuid.UUID]*kept
	order   row
	tags    map[rendezvous.Tag]*tagged
	gone    []*kept // the oldest first
	lost    uint64  // the last change that is not known any more
	changed chan struct{}
}

// tagged is what has a tag, or had it.
type tagged struct {
	row
	now int // that have it
}

func (m *Memory) of(number rendezvous.Number) *network {
	n := m.networks[number]
	if n == nil {
		n = &network{entries: map[uuid.UUID]*kept{}, tags: map[rendezvous.Tag]*tagged{}, lost: m.last, changed: make(chan struct{})}
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
	case old != nil && quiet && slices.Equal(old.Tags, e.Tags):
		old.Entry = e
		return nil
	}
	k := &kept{Entry: e}
	if old != nil {
		k.former = former(old, e)
		n.drop(old)
	}
	n.entries[e.ID] = k
	m.change(n, k)
	return nil
}

// former returns the tags that an entry had before and that another has not.
func former(before *kept, e *Entry) []rendezvous.Tag {
	tags := slices.DeleteFunc(slices.Concat(before.former, before.Tags), func(t rendezvous.Tag) bool {
		return e.Has([]rendezvous.Tag{t})
	})
	slices.SortFunc(tags, rendezvous.CompareTags)
	tags = slices.Compact(tags)
	return slices.Clip(tags[:min(len(tags), maxFormer)])
}

// change notes that something in a network is as it is from now on.
func (m *Memory) change(n *network, k *kept) {
	m.last++
	k.change = m.last
	close(n.changed)
	n.changed = make(chan struct{})
	n.order.push(k)
	for _, tag := range slices.Concat(k.Tags, k.former) {
		if n.tags[tag] == nil {
			n.tags[tag] = new(tagged)
		}
		n.tags[tag].push(k)
	}
	n.count(k, 1)
}

// count counts, or takes back, that something that is there has its tags.
func (n *network) count(k *kept, by int) {
	for _, tag := range k.Tags {
		if !k.Gone {
			n.tags[tag].now += by
		}
	}
}

// drop forgets something that is not so any more.
func (n *network) drop(k *kept) {
	n.count(k, -1)
	k.stale = true
	n.order.drop()
	for _, tag := range slices.Concat(k.Tags, k.former) {
		if t := n.tags[tag]; len(t.list) == 1 {
			delete(n.tags, tag)
		} else {
			t.drop()
		}
	}
}

func (m *Memory) Delete(number rendezvous.Number, id uuid.UUID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.networks[number]
	if n == nil || n.entries[id] == nil {
		return nil
	}
	old := n.entries[id]
	delete(n.entries, id)
	n.drop(old)
	if len(n.entries) == 0 {
		m.last++         // so that nobody knows what comes after
		close(n.changed) // who watches it looks again
		delete(m.networks, number)
		return nil
	}
	k := &kept{Entry: &Entry{ID: id, Tags: old.Tags, Gone: true}, former: old.former}
	m.change(n, k)
	for n.gone = append(n.gone, k); len(n.gone) > maxGone+len(n.entries)/4; n.gone = n.gone[1:] {
		oldest := n.gone[0]
		n.lost = max(n.lost, oldest.change)
		n.drop(oldest)
	}
	return nil
}

func (m *Memory) Get(number rendezvous.Number, id uuid.UUID) *Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.networks[number]; n != nil && n.entries[id] != nil {
		return n.entries[id].Entry
	}
	return nil
}

func (m *Memory) Size(number rendezvous.Number, tag rendezvous.Tag) (all, tagged int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.networks[number]
	if n == nil {
		return 0, 0
	}
	if t := n.tags[tag]; t != nil {
		tagged = t.now
	}
	return len(n.entries), tagged
}

// knows tells whether all changes of a network after a cursor are known.
func (m *Memory) knows(n *network, cursor uint64) bool { return cursor >= n.lost && cursor <= m.last }

func (m *Memory) List(number rendezvous.Number, tags []rendezvous.Tag, cursor uint64, octets int) (page Page) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.networks[number]
	if n == nil {
		return Page{Cursor: m.last, Anew: true}
	}
	if page.Anew = !m.knows(n, cursor); page.Anew {
		cursor = 0
	}
	var rows rows
	for _, tag := range tags {
		if t := n.tags[tag]; t != nil {
			rows = append(rows, t.after(cursor))
		}
	}
	for k := rows.next(); k != nil; k = rows.next() {
		if k.Gone && page.Anew {
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

func (m *Memory) Changed(number rendezvous.Number, cursor uint64) (tags map[rendezvous.Tag]bool, now uint64, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.networks[number]
	if n == nil || !m.knows(n, cursor) {
		return nil, m.last, false
	}
	tags = map[rendezvous.Tag]bool{}
	for _, k := range n.order.after(cursor) {
		for _, tag := range slices.Concat(k.Tags, k.former) {
			tags[tag] = true
		}
	}
	return tags, m.last, true
}

func (m *Memory) Watch(number rendezvous.Number) <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.networks[number]; n != nil {
		return n.changed
	}
	return m.fresh
}
