package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/sjohnr/at-once/src/zmtp"
)

// patience is the number of periods without a sign of life after which the far
// side counts as dead.
const patience = 3

// obey carries out the commands that were found.
func (l *Link) obey(found *zmtp.Messages) error {
	for _, body := range found.Commands {
		name, data, err := zmtp.SplitCommand(body)
		if err != nil {
			return err
		}
		switch string(name) {
		case zmtp.Ping:
			err = l.pong(data)
		case zmtp.Pong: // that it was heard is all it says
		case zmtp.Error:
			err = l.refused(zmtp.ParseError(data))
		default:
			l.ignored.Add(1)
		}
		if err != nil {
			return err
		}
	}
	found.Commands = found.Commands[:0]
	return nil
}

// refused tells what the far side says with ERROR to who wants to know.
func (l *Link) refused(err error) error {
	var said *zmtp.RefusedError
	if l.config.Refused == nil || !errors.As(err, &said) {
		return err
	}
	l.config.Refused(said.Reason)
	return nil
}

// Refuse tells the far side that something of it is not accepted, if there is room; see
// [Config.Refused]. It is not for connections that bring their own ZMTP.
func (l *Link) Refuse(reason string) { l.command(zmtp.Error, zmtp.ErrorData(reason)) }

// pong answers a PING. An answer for which there is no room is dropped: what fills
// the outbox will be as good a sign of life.
func (l *Link) pong(data []byte) error {
	ttl, context, err := zmtp.ParsePing(data)
	if err != nil {
		return err
	}
	l.command(zmtp.Pong, context)
	if ttl > 0 && (l.period == 0 || ttl < patience*l.period) {
		l.period = max(ttl/patience, time.Millisecond)
		return l.rearm()
	}
	return nil
}

// command sends a command if there is room.
func (l *Link) command(name string, data []byte) {
	q := l.lock()
	b, err := q.control(zmtp.CommandSize(name, len(data)))
	if err == nil {
		zmtp.AppendCommand(b[:0], name, data)
		l.commit(q)
	}
}

// rearm has reading interrupted one period after the far side was last heard.
func (l *Link) rearm() error {
	if l.period == 0 {
		return nil
	}
	return l.conn.SetReadDeadline(time.Now().Add(l.period))
}

// ttl is how long the far side is to wait for our next sign of life, in tenths of a
// second, before it takes the link for dead: as long as we wait for one of it, so that
// a link that only we know to be lost does not stand in the way of the next.
func (l *Link) ttl() []byte {
	tenths := min(patience*l.period/(time.Second/10), math.MaxUint16)
	return binary.BigEndian.AppendUint16(nil, uint16(tenths))
}

// look is called when reading was interrupted. Silence counts only while we
// listen, not while deliver keeps us from it.
func (l *Link) look() error {
	if quiet := time.Since(l.Heard()); l.missed == 0 && quiet < l.period {
		return l.conn.SetReadDeadline(time.Now().Add(l.period - quiet))
	}
	if l.takes() { // a PING waits behind what it takes
		l.missed = 0
		return l.rearm()
	}
	if l.missed++; l.missed == patience {
		return fmt.Errorf("%w: for %v", ErrSilent, patience*l.period)
	}
	if l.config.Heartbeat > 0 {
		l.command(zmtp.Ping, l.ttl())
	}
	return l.rearm()
}

// takes tells whether the far side has taken of what was queued for it when last asked.
// That an answer or a PING left is no sign of life.
func (l *Link) takes() bool {
	q := l.lock()
	taken, owes := l.writer.taken(q)
	q.mu.Unlock()
	took := l.owes && taken > l.inbox.taken
	l.inbox.taken, l.owes = taken, owes
	return took
}
