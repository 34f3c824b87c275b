package zre

import (
	"time"

	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/sight"
)

// maxPings is how often a plain peer is asked at once at the most. If more answers may
// come late, it takes several times to be sure.
const maxPings = 32

// maxUntold is how many changes are kept at the most for a peer that has yet to take our greeting.
const maxUntold = 256

// connection is what our words to a peer go over: one that we have made, or our direction of a
// channel, over one link after another.
type connection struct {
	out      LinkID           // the node's number of it
	up       bool             // it stands; one that carries both directions outlives its links
	both     bool             // it carries both directions
	taken    bool             // then: the peer has taken our greeting
	called   bool             // then: the latest link of a channel that has none was made by the peer
	proven   bool             // it leads to the peer: it was shown, or the peer has answered over it or spoken since
	greets   bool             // it has carried a HELLO
	shown    bool             // the far side has shown in the handshake that it is the peer
	life     uint64           // and in which of its lives, 0 if it has not
	at       sight.Endpoint   // where it leads, nowhere if there is none, or the peer has made it
	callback sight.Endpoint   // where the peer can reach us, for our HELLO
	untold   []zremsg.Message // what is to be said once the peer has taken our greeting
	number   uint64           // how the peer is told of it: of all that the node has made
	asked    int              // how often the peer was asked to confirm
	answers  int              // and has answered
	askedAt  time.Time        // the first time that is not answered
}

// line is our connection to a peer as long as it stands, and what is to be known of
// those before it.
type line struct {
	*stage
	to *Peer
	connection
	late   int       // PING-OKs that may yet come for PINGs of earlier connections
	lostAt time.Time // when the latest connection was lost
}

// stands tells whether there is a connection.
func (l *line) stands() bool { return l.up }

// send says something to a peer that we have greeted.
func (l *line) send(m zremsg.Message) {
	if l.greets {
		l.emit(Send{l.out, m})
	}
}

// tell says what has changed to a peer that we have greeted: once it is known to have taken
// that, if the connection carries both directions.
func (l *line) tell(m zremsg.Message) {
	if l.greets && l.both && !l.taken {
		if len(l.untold) == maxUntold { // the status then shows that some are missing, and the peer asks for a greeting
			l.untold = l.untold[1:]
		}
		l.untold = append(l.untold, m)
	} else {
		l.send(m)
	}
}

// takes notes that the peer has taken our greeting.
func (l *line) takes() {
	l.taken = true
	for _, m := range l.untold {
		l.send(m)
	}
	l.untold = nil
}

// prove says that our connection leads to the peer, or asks for what proves it.
func (l *line) prove() {
	if l.proven {
		l.emit(Proven{l.to.id, l.out})
	} else if l.asked == 0 {
		l.ask()
	}
}

// proves notes that our connection leads to the peer.
func (l *line) proves() {
	if !l.proven {
		l.proven = true
		l.emit(Proven{l.to.id, l.out})
	}
}

// ping asks the peer for a sign of life. What a plain one answers also tells that
// it has what was said before.
func (l *line) ping() {
	if l.to.plain() {
		l.ask()
	} else {
		l.send(&zremsg.Ping{})
	}
}

// ask asks the peer to confirm what was said over our connection. A plain one does so
// with PING-OKs, which do not tell what they answer: for each that may come late, for
// a PING of a connection that was lost, it is asked once more.
func (l *line) ask() {
	switch {
	case !l.greets:
		return
	case l.both: // it acknowledges at once then
		l.send(&zremsg.Ping{})
		return
	}
	if l.asked == l.answers {
		l.askedAt = l.now
	}
	if !l.to.plain() {
		l.asked++
		l.send(&zremsg.Confirm{Connection: l.number, Count: uint64(l.asked)})
		return
	}
	for range min(l.late+1, maxPings) {
		l.asked++
		l.send(&zremsg.Ping{})
	}
}

// confirmed takes in a CONFIRMED.
func (l *line) confirmed(m *zremsg.Confirmed) {
	ours := l.stands() && m.Connection == l.number
	switch {
	case ours && m.Count == 0: // a new number: what was asked before is not taken for what is asked from now on
		l.lines++
		l.number, l.asked, l.answers = l.lines, 0, 0
		l.emit(Forgot{l.out})
	case !ours || m.Count <= uint64(l.answers) || m.Count > uint64(l.asked):
		l.count("confirmations out of place")
	default:
		l.sure(int(m.Count), int(m.Count))
	}
}

// answered takes in a PING-OK. It is for one of this connection only if none that may
// come late is missing.
func (l *line) answered() {
	if l.to.plain() && l.answers < l.asked {
		l.sure(l.answers+1, l.answers+1-l.late)
	}
}

// sure notes that so many answers came, of which so many are surely to what was asked
// over this connection.
func (l *line) sure(answers, sure int) {
	l.answers, l.askedAt = answers, l.now
	if sure <= 0 {
		return
	}
	l.proves()
	l.emit(Answered{l.out, sure})
}

// forgot notes that a plain peer has greeted us as one that does not know us, or takes
// us for another than before: what it had not confirmed by then it may never confirm.
func (l *line) forgot() {
	l.owe()
	l.emit(Forgot{l.out})
	if !l.proven {
		l.ping()
	}
}

// owe counts what is not answered as what may be answered late.
func (l *line) owe() {
	if l.to.plain() {
		l.late += l.asked - l.answers
	}
	l.asked, l.answers = 0, 0
}

// hangUp ends our connection to the peer, and the attempt to make one.
func (l *line) hangUp() {
	if l.stands() || l.both {
		l.emit(Disconnect{l.out})
	}
	if !l.stands() || l.both { // another link may be on its way
		l.emit(Withdraw{l.to.id})
	}
}
