package node

import (
	"github.com/sjohnr/at-once/generated/go/oncerecord"
	"github.com/sjohnr/at-once/src/zre"
)

// bygone notes a channel that has ended here, and that the peer may go on to begin.
func (t *talk) bygone() {
	if len(t.bygones) >= oncerecord.MaxAheads {
		for id := range t.bygones { // any, for who has ended so many is hostile
			delete(t.bygones, id)
			t.count("channels that may begin twice")
			break
		}
	}
	t.bygones[t.peer] = t.in.theirs
}

// overAgain ends a channel that has just begun, if it has begun before, and ended here when something
// had come in it and the peer did not have our greeting: what it says there may have come before.
func (l *talks) overAgain(r *receiver) {
	switch last, is := l.bygones[r.peer]; {
	case !is:
	case last == r.in.theirs:
		l.step(zre.Expelled{Peer: r.peer})
	default:
		delete(l.bygones, r.peer)
	}
}
