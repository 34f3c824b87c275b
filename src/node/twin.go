package node

import (
	"fmt"
	"maps"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/zre"
)

// maxTwins is how many twins are remembered; further ones are counted only. Anybody
// can send a sighting in this node's name.
const maxTwins = 16

// twin is another node with this node's id.
type twin struct {
	since time.Time // when it was first seen
	seen  time.Time // the latest
	told  time.Time
}

// twin tells the application, once in a while, of another node with this node's id. A
// host with several addresses is one, so that the port tells them apart.
func (l *loop) twin(s sight.Sighting) {
	if s.Gone {
		return
	}
	l.count("sightings of a twin")
	now, port := time.Now(), s.Endpoint.Port()
	maps.DeleteFunc(l.twins, func(_ uint16, t *twin) bool { return now.Sub(t.seen) >= guard.RefusalLife })
	t := l.twins[port]
	switch {
	case t == nil && len(l.twins) >= maxTwins:
		return
	case t == nil:
		t = &twin{since: now, told: now.Add(-guard.RefusalLife)}
		l.twins[port] = t
	}
	if t.seen = now; now.Sub(t.told) < guard.RefusalLife {
		return
	}
	t.told = now
	text := fmt.Sprintf("another node has this node's identity, and was first seen %s: peers talk only with the one that "+
		"started later, so stop one, or give it an identity of its own (once identity new)", t.since.Format(time.DateTime))
	l.settings.log.Warn(text, "uuid", l.guard.ID, "endpoint", s.Endpoint)
	l.events.Post(events.Facts{Type: api.EventTypeTwin, Peer: zre.Stranger(l.guard.ID, l.guard.Name, s.Endpoint), Text: text, At: now})
}
