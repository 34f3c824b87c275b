package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncelink"
	"github.com/sjohnr/at-once/src/zmtp"
)

// patience is the number of periods without a sign of life after which the far
// side counts as dead.
const patience = 3

// pulse is the signs of life of a link: it gives ours, looks for those of the far side, and
// obeys the commands that come. All but ignored belongs to the goroutine in Serve.
type pulse struct {
	*carrier
	writer  *writer       // of the link, which sends commands and knows what the far side takes
	ignored atomic.Int64  // commands that meant nothing to us
	period  time.Duration // of silence between two looks; 0 is no looking
	missed  int           // periods of silence
	taken   uint64        // octets that the far side had taken at the latest look
	owes    bool          // and there were some that it had not
	part    time.Duration // from opened to when the message began to come that has not come whole, or to our latest sign of life since; 0 for none
}

func (p *pulse) open(c *carrier, w *writer) {
	p.carrier, p.writer = c, w
	if c.remote.Minor > 0 { // ZMTP 3.0 has no PING
		p.period = c.config.Heartbeat
	}
}

// Unwatch has the far side not be asked for signs of life, in place of Config.Heartbeat. It is
// called before Serve.
func (p *pulse) Unwatch() { p.period = 0 }

// Ignored returns the number of commands that came and meant nothing to us.
func (p *pulse) Ignored() int64 { return p.ignored.Load() }

// hear takes note that octets came from the far side, and returns how long after the last.
func (p *pulse) hear() time.Duration {
	p.missed = 0
	now := int64(time.Since(p.opened))
	return time.Duration(now - p.heard.Swap(now))
}

// obey carries out the commands that were found.
func (p *pulse) obey(found *zmtp.Messages) error {
	for _, body := range found.Commands {
		name, data, err := zmtp.SplitCommand(body)
		if err != nil {
			return err
		}
		switch string(name) {
		case zmtp.Ping:
			err = p.pong(data)
		case zmtp.Pong: // that it was heard is all it says
		case zmtp.Error:
			err = p.refused(zmtp.ParseError(data))
		default:
			p.ignored.Add(1)
		}
		if err != nil {
			return err
		}
	}
	found.Commands = found.Commands[:0]
	return nil
}

// refused tells what the far side says with ERROR to who wants to know.
func (p *pulse) refused(err error) error {
	var said *zmtp.RefusedError
	if p.config.Refused == nil || !errors.As(err, &said) {
		return err
	}
	p.config.Refused(said.Reason)
	return nil
}

// Refuse tells the far side that something of it is not accepted, if there is room; see
// [Config.Refused]. It is not for connections that bring their own ZMTP.
func (p *pulse) Refuse(reason string) { p.writer.command(zmtp.Error, zmtp.ErrorData(reason)) }

// pong answers a PING. An answer for which there is no room is dropped: what fills
// the outbox will be as good a sign of life.
func (p *pulse) pong(data []byte) error {
	ttl, context, err := zmtp.ParsePing(data)
	if err != nil {
		return err
	}
	p.writer.command(zmtp.Pong, context)
	if ttl > 0 && (p.period == 0 || ttl < patience*p.period) {
		p.period = max(ttl/patience, time.Millisecond)
		return p.rearm()
	}
	return nil
}

// partly notes whether a message has come in part. While it does the far side hears from us,
// which may wait for nothing but that we have all of it.
func (p *pulse) partly(is bool) {
	switch now := time.Since(p.opened); {
	case !is:
		p.part = 0
	case p.part == 0:
		p.part = now
	case now-p.part >= oncelink.MaxSilence*time.Millisecond && p.remote.Minor > 0:
		p.part = now
		p.writer.command(zmtp.Ping, []byte{0, 0})
	}
}

// rearm has reading interrupted one period after the far side was last heard.
func (p *pulse) rearm() error {
	if p.period == 0 {
		return nil
	}
	return p.conn.SetReadDeadline(time.Now().Add(p.period))
}

// ttl is how long the far side is to wait for our next sign of life, in tenths of a
// second, before it takes the link for dead: as long as we wait for one of it, so that
// a link that only we know to be lost does not stand in the way of the next.
func (p *pulse) ttl() []byte {
	tenths := min(patience*p.period/(time.Second/10), math.MaxUint16)
	return binary.BigEndian.AppendUint16(nil, uint16(tenths))
}

// look is called when reading was interrupted. Silence counts only while we
// listen, not while deliver keeps us from it.
func (p *pulse) look() error {
	if quiet := time.Since(p.Heard()); p.missed == 0 && quiet < p.period {
		return p.conn.SetReadDeadline(time.Now().Add(p.period - quiet))
	}
	switch p.missed++; {
	case p.takes(): // a PING waits behind what it takes
		p.missed = 0
	case p.missed == patience:
		return fmt.Errorf("%w: for %v", ErrSilent, patience*p.period)
	case p.config.Heartbeat > 0:
		p.writer.command(zmtp.Ping, p.ttl())
	}
	return p.rearm()
}

// takes tells whether the far side has taken of what was queued for it when last asked.
// That an answer or a PING left is no sign of life.
func (p *pulse) takes() bool {
	q := p.writer.lock()
	taken, owes := p.writer.taken(q)
	q.mu.Unlock()
	took := p.owes && taken > p.taken
	p.taken, p.owes = taken, owes
	return took
}
