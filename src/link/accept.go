package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	machine "github.com/sjohnr/at-once/generated/go/handshakemachine"
)

// FirstWait is a good wait before a connection is tried again; Longer makes the
// next ones. DialTime is as long as one attempt should take, of which connecting
// may take connectTime: where packets are lost, a new attempt sends its first packet
// sooner than an old one its third.
const (
	FirstWait   = 50 * time.Millisecond
	lastWait    = 2 * time.Second
	DialTime    = machine.DefaultHandshake // the far side waits no longer
	connectTime = 2 * time.Second
)

// ErrTooMany says that a connection was closed because too many stand.
var ErrTooMany = errors.New("link: connections over the limit")

// tellAgain is how long a listener that goes on failing is not told of again.
const tellAgain = time.Minute

// Accept takes connections until ctx ends, and closes the listener then. At most
// so many stand at a time: each counts from take, which must not wait, until over
// is called, once. Further ones are closed, and ErrTooMany goes to fault for each. After
// errors of the listener it goes on a little later: the first goes to fault, and then no
// more than one each minute, with how many there were since.
func Accept(ctx context.Context, l net.Listener, most int, take func(conn net.Conn, over func()), fault func(error)) {
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	standing := make(chan struct{}, most)
	var failing failures
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			failing.tell(nil, fault)
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return
		default:
			failing.tell(err, fault)
			Pause(ctx, FirstWait) // out of descriptors, say: let some go
			continue
		}
		select {
		case standing <- struct{}{}:
			take(conn, func() { <-standing })
		default:
			_ = conn.Close()
			fault(ErrTooMany)
		}
	}
}

// failures are those of a listener.
type failures struct {
	untold int
	last   error
	told   time.Time
}

// tell takes what became of an attempt, and tells of those that failed.
func (f *failures) tell(err error, fault func(error)) {
	if err != nil {
		f.untold++
		f.last = err
	}
	since := time.Since(f.told)
	if f.untold == 0 || since < tellAgain {
		return
	}
	if f.untold > 1 {
		f.last = fmt.Errorf("%w (%d times in %v)", f.last, f.untold, since.Round(time.Second))
	}
	f.untold, f.told = 0, time.Now()
	fault(f.last)
}

// Connect connects to an endpoint, but does not wait long for the first answer.
func Connect(ctx context.Context, t Transport, endpoint string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	return t.Dial(ctx, endpoint)
}

// Longer returns the wait after a wait: twice as long, up to two seconds.
func Longer(wait time.Duration) time.Duration { return min(max(2*wait, FirstWait), lastWait) }

// Vary returns a wait that is up to a quarter longer or shorter, so that those who lost a
// peer together do not come back together. It takes a number from 0 to less than 1.
func Vary(wait time.Duration, random float64) time.Duration {
	return wait*3/4 + time.Duration(random*float64(wait/2))
}

// Pause waits as long as asked. It tells whether ctx goes on.
func Pause(ctx context.Context, wait time.Duration) bool {
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}
