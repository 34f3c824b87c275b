package node

import (
	"fmt"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/zre"
)

// lookout tells the loop of whom the sources of sightings tell.
type lookout struct{ *loop }

// sighted is called by the sources.
func (l lookout) sighted(sightings []sight.Sighting) {
	l.do(func() {
		for _, s := range sightings {
			switch {
			case s.ID == l.guard.ID:
				l.twin(s)
			case s.Gone:
				l.step(zre.Vanished{Peer: s.ID})
			case !s.Endpoint.Dialable():
				l.count("sightings without an endpoint")
			case l.site.Owns(s.Endpoint): // who was there is gone, and this node in its place
				l.count("sightings at this node's endpoint")
			default:
				l.sight(s)
			}
		}
	})
}

// sight tells the core of a node, unless it cannot be talked with.
func (l lookout) sight(s sight.Sighting) {
	if err := l.guard.Suits(s.Endpoint.KeyOf()); err != nil {
		l.refuse(&l.guard.Sightings, s.ID, "", s.Endpoint, err)
		return
	}
	if alone, _ := l.guard.Shuns.Of(s.ID, s.Endpoint); alone && l.find(s.ID) == nil {
		return
	}
	l.step(zre.Sighted{Peer: s.ID, Endpoint: s.Endpoint})
}

// twin tells the application, once in a while, of another node with this node's id.
func (l lookout) twin(s sight.Sighting) {
	if s.Gone {
		return
	}
	l.count("sightings of a twin")
	now := time.Now()
	since, tell := l.guard.Twins.Seen(s.Endpoint, now)
	if !tell {
		return
	}
	text := fmt.Sprintf("another node has this node's identity, and was first seen %s: peers talk only with the one that "+
		"started later, so stop one, or give it an identity of its own (once identity new)", since.Format(time.DateTime))
	l.settings.log.Warn(text, "uuid", l.guard.ID, "endpoint", s.Endpoint)
	l.events.Post(events.Facts{Type: api.EventTypeTwin, Peer: zre.Stranger(l.guard.ID, l.guard.Name(), s.Endpoint), Text: text, At: now})
}
