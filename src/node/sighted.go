package node

import (
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/zre"
)

// sighted tells the loop of whom the sources tell.
func (l *loop) sighted(sightings []sight.Sighting) {
	l.do(func() {
		for _, s := range sightings {
			switch {
			case s.ID == l.guard.ID:
				l.twin(s)
			case s.Gone:
				l.step(zre.Vanished{Peer: s.ID})
			case !s.Endpoint.Dialable():
				l.count("sightings without an endpoint")
			default:
				l.sight(s)
			}
		}
	})
}

// sight tells the core of a node, unless it cannot be talked with.
func (l *loop) sight(s sight.Sighting) {
	if err := l.guard.Suits(s.Endpoint.KeyOf()); err != nil {
		l.refuse(&l.guard.Sightings, s.ID, "", s.Endpoint, err)
		return
	}
	if alone, _ := l.guard.Shuns.Of(s.ID, s.Endpoint); alone && l.find(s.ID) == nil {
		return
	}
	l.step(zre.Sighted{Peer: s.ID, Endpoint: s.Endpoint})
}
