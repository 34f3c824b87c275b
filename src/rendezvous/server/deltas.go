package server

import (
	"log/slog"
	"slices"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/registry"
)

// deltas are those of one round, by what they are for.
type deltas struct {
	registry registry.Registry
	log      *slog.Logger
	network  rendezvous.Number
	tags     []rendezvous.Tag
	cursor   uint64
	latest   *oncemsg.Delta
	octets   []byte
	number   uint32
}

// tell tells a watcher what comes next, if it has room, and whether there is more.
func (d *deltas) tell(c *connection, w *watching) (room, more bool) {
	if d.latest == nil || d.cursor != w.cursor || !slices.Equal(d.tags, w.tags) {
		page := d.registry.List(d.network, w.tags, w.cursor, oncemsg.MaxPage)
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
			d.log.Error("cannot tell of changes", "error", err)
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
