package node

import (
	"github.com/sjohnr/at-once/generated/go/oncerecord"
	"github.com/sjohnr/at-once/src/zre"
)

// bygone notes a channel that has ended here, and that the peer may go on to begin.
func (l *loop) bygone(t *talk) {
	if len(l.bygones) >= oncerecord.MaxAheads {
		for id := range l.bygones { // any, for who has ended so many is hostile
			delete(l.bygones, id)
			l.count("channels that may begin twice")
			break
		}
	}
	l.bygones[t.peer] = t.in.theirs
}

// overAgain ends a channel that has just begun, if it has begun before, and ended here when something
// had come in it and the peer did not have our greeting: what it says there may have come before.
func (l *loop) overAgain(r *receiver) {
	switch last, is := l.bygones[r.peer]; {
	case !is:
	case last == r.in.theirs:
		l.step(zre.Expelled{Peer: r.peer})
	default:
		delete(l.bygones, r.peer)
	}
}
