package server

import (
	"cmp"
	"slices"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	machine "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/registry"
)

// gather is how long changes are gathered before watchers are told.
const gather = oncemsg.MaxGather * time.Millisecond

// enter begins to tell a node, which may have been told of other tags.
func (w *watch) enter(c *session, what *watching) {
	w.leave(c)
	c.watching = what
	w.sessions[c], w.behind[c] = struct{}{}, struct{}{}
	for _, tag := range what.tags {
		if w.tags[tag] == nil {
			w.tags[tag] = map[*session]struct{}{}
		}
		w.tags[tag][c] = struct{}{}
	}
}

// leave tells a node no more.
func (w *watch) leave(c *session) {
	if c.watching == nil {
		return
	}
	for _, tag := range c.watching.tags {
		if delete(w.tags[tag], c); len(w.tags[tag]) == 0 {
			delete(w.tags, tag)
		}
	}
	delete(w.sessions, c)
	delete(w.behind, c)
	c.watching = nil
}

// outdated returns who is to be told of something: who is behind, and who watches a tag
// that has changed. All others know all up to now. The caller holds the lock.
func (w *watch) outdated(changed map[rendezvous.Tag]bool, now uint64, known bool) map[*session]struct{} {
	fallBehind := func(watchers map[*session]struct{}) {
		for c := range watchers {
			if _, already := w.behind[c]; !already {
				c.watching.cursor = max(c.watching.cursor, w.cursor)
				w.behind[c] = struct{}{}
			}
		}
	}
	for tag := range changed {
		fallBehind(w.tags[tag])
	}
	if !known {
		fallBehind(w.sessions)
	}
	w.cursor = now
	return w.behind
}

// watch begins to tell a node of those who have one of some tags.
func (c *session) watch(m *oncemsg.Watch) *refusal {
	s := c.server
	tags, ok := rendezvous.ParseTags(m.Tags)
	switch {
	case !ok:
		return refuse(machine.ReasonMalformed, "tags are of 8 octets, sorted, and none twice")
	case c.peer == nil:
		return refuse(machine.ReasonTurn, "publish first")
	}
	for _, tag := range tags {
		if _, tagged := s.Registry.Size(c.network, tag); tagged > oncemsg.MaxWatchersTag {
			return refuse(machine.ReasonLarge, "%d nodes have the tag: list them", tagged)
		}
	}
	w := s.watches[c.network]
	if len(tags) == 0 {
		if w != nil {
			w.leave(c)
		}
		return nil
	}
	if w == nil {
		w = &watch{woken: make(chan struct{}, 1), sessions: map[*session]struct{}{}, tags: map[rendezvous.Tag]map[*session]struct{}{}, behind: map[*session]struct{}{}}
		s.watches[c.network] = w
		s.work.Go(func() { s.tell(c.network, w) })
	}
	w.enter(c, &watching{tags, c.number, m.Cursor})
	s.wake(c.network)
	return nil
}

// wake has the watchers of a network be told at once. The caller holds the lock.
func (s *Server) wake(network rendezvous.Number) {
	if w := s.watches[network]; w != nil {
		select {
		case w.woken <- struct{}{}:
		default:
		}
	}
}

// tell tells the watchers of a network of each change, until there are none.
func (s *Server) tell(network rendezvous.Number, w *watch) {
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		changed := s.Registry.Watch(network)
		if behind := s.tellOnce(network, w); behind {
			retry.Reset(gather)
		}
		s.mu.Lock()
		if len(w.sessions) == 0 {
			delete(s.watches, network)
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		select {
		case <-s.ctx.Done():
			return
		case <-w.woken:
		case <-retry.C:
		case <-changed:
			link.Pause(s.ctx, gather)
		}
	}
}

// tellOnce tells each watcher what it does not know, as far as it has room, and whether
// somebody has none. What several do not know is encoded once.
func (s *Server) tellOnce(network rendezvous.Number, w *watch) (behind bool) {
	type watcher struct {
		*session
		*watching
	}
	changed, now, known := s.Registry.Changed(network, w.cursor) // which only this goroutine touches
	s.mu.Lock()
	var watchers []watcher
	for c := range w.outdated(changed, now, known) {
		if c.state == machine.StateServed {
			watchers = append(watchers, watcher{c, c.watching})
		}
	}
	s.mu.Unlock()
	slices.SortFunc(watchers, func(a, b watcher) int {
		return cmp.Or(slices.CompareFunc(a.tags, b.tags, rendezvous.CompareTags), cmp.Compare(a.watching.cursor, b.watching.cursor))
	})
	deltas := deltas{server: s, network: network}
	told := watchers[:0]
	for _, c := range watchers {
		room, more := true, true
		for room && more {
			room, more = deltas.tell(c.session, c.watching)
		}
		if room {
			told = append(told, c)
		}
		behind = behind || !room
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range told {
		if c.session.watching == c.watching {
			delete(w.behind, c.session)
		}
	}
	return behind
}

// deltas are those of one round, by what they are for.
type deltas struct {
	server  *Server
	network rendezvous.Number
	tags    []rendezvous.Tag
	cursor  uint64
	latest  *oncemsg.Delta
	octets  []byte
	number  uint32
}

// tell tells a watcher what comes next, if it has room, and whether there is more.
func (d *deltas) tell(c *session, w *watching) (room, more bool) {
	if d.latest == nil || d.cursor != w.cursor || !slices.Equal(d.tags, w.tags) {
		page := d.server.Registry.List(d.network, w.tags, w.cursor, oncemsg.MaxPage)
		d.tags, d.cursor, d.octets = w.tags, w.cursor, nil
		d.latest = &oncemsg.Delta{Cursor: page.Cursor}
		if page.Anew {
			d.latest.Anew = 1
		}
		if page.More {
			d.latest.More = 1
		}
		for _, e := range page.Entries {
			d.latest.Entries = append(d.latest.Entries, told(e, w.tags))
		}
	}
	m := d.latest
	if len(m.Entries) == 0 && m.Anew+m.More == 0 {
		w.cursor = m.Cursor
		return true, false
	}
	if d.octets == nil || d.number != w.number {
		var err error
		if d.octets, err = rendezvous.AppendMessage(d.octets[:0], w.number, m); err != nil {
			d.server.Log.Error("cannot tell of changes", "error", err)
			return true, false
		}
		d.number = w.number
	}
	b, err := c.link.TryReserve(len(d.octets))
	if err != nil {
		return false, false
	}
	copy(b, d.octets)
	c.link.Commit()
	w.cursor = m.Cursor
	return true, m.More == 1
}

// told returns an entry as one is told of it who asks for tags.
func told(e *registry.Entry, tags []rendezvous.Tag) []byte {
	if e.Gone || !e.Has(tags) {
		return gone(e.ID)
	}
	return e.Octets
}
