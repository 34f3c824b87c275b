package server

import (
	"slices"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	machine "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
)

// gather is how long changes are gathered before watchers are told.
const gather = oncemsg.MaxGather * time.Millisecond

// watch is who watches a network. One goroutine tells them all.
type watch struct {
	sessions map[*session]struct{} // guarded by the lock of the server
	woken    chan struct{}
}

// watching is what a node watches. From when it is there only the goroutine of its network
// touches the cursor.
type watching struct {
	tags   []rendezvous.Tag
	number uint32
	cursor uint64
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
		if c.watching = nil; w != nil {
			delete(w.sessions, c)
		}
		return nil
	}
	c.watching = &watching{tags, c.number, m.Cursor}
	if w == nil {
		w = &watch{sessions: map[*session]struct{}{}, woken: make(chan struct{}, 1)}
		s.watches[c.network] = w
		s.work.Go(func() { s.tell(c.network, w) })
	}
	w.sessions[c] = struct{}{}
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
	s.mu.Lock()
	var watchers []watcher
	for c := range w.sessions {
		if c.state == machine.StateServed {
			watchers = append(watchers, watcher{c, c.watching})
		}
	}
	s.mu.Unlock()
	deltas := deltas{server: s, network: network}
	for _, c := range watchers {
		for more := true; more; {
			var room bool
			if room, more = deltas.tell(c.session, c.watching); !room {
				behind = true
				break
			}
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
