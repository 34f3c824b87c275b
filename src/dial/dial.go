// Package dial gets from what is known of where a peer may be to a link with it: it tries
// the endpoints beside each other, again and again, and bounds how often and how many at a
// time.
//
// Programs import bindings/go/once: what is here may change at any time.
package dial

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sjohnr/at-once/generated/go/peermachine"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
)

// Most is how many attempts may be under way at a time to connect to peers that are no
// more than sighted: anybody can send sightings of nobody.
const Most = 64

// ErrSomebodyElse says that the peer is not where it was said to be.
var ErrSomebodyElse = errors.New("another node is there")

// Dialer is what the attempts of a node have in common.
type Dialer struct {
	random func(whom string) float64
	lines  lines
	slots  chan struct{} // holds a token for each attempt to connect to who is only sighted
	second chan struct{} // holds a token while it is not the turn of the next of those that come second
	door   door
}

// NewDialer returns a dialer whose waits vary by chance: random is at least 0, and less than
// 1, for whom an attempt is to reach.
func NewDialer(random func(whom string) float64) *Dialer {
	return &Dialer{random: random, lines: lines{at: map[string]chan struct{}{}}, slots: make(chan struct{}, Most), second: make(chan struct{}, 1)}
}

// Leave says that a link to an endpoint has ended: another may be made. It is called once
// for each link that [Attempt.Run] has returned.
func (d *Dialer) Leave(endpoint sight.Endpoint) { d.lines.leave(endpoint.Address) }

// Open connects to an endpoint within ctx, and makes sure that the peer is there. It is
// called in several goroutines.
type Open func(ctx context.Context, endpoint sight.Endpoint) (*link.Link, error)

// Attempt is an attempt to connect to a peer. Its methods but Run belong to one goroutine.
type Attempt struct {
	Wait time.Duration // before the first try; set before Run
	// Second says that the peer dials us, too, if it has sighted us, and that its connection is
	// the one that stays: while it is only sighted, those who may be the peer and have connected
	// to us come first. It is set before Run.
	Second bool

	whom      string
	endpoints atomic.Pointer[[]sight.Endpoint]
	urgent    chan struct{} // closed when the peer is more than sighted
	hurried   bool          // that is so
	needless  chan struct{} // closed when there is a connection
	ctx       context.Context
	cancel    context.CancelFunc
}

// NewAttempt returns an attempt to reach a peer that lasts until ctx ends.
func NewAttempt(ctx context.Context, whom string) *Attempt {
	a := &Attempt{whom: whom, urgent: make(chan struct{}), needless: make(chan struct{})}
	a.ctx, a.cancel = context.WithCancel(ctx)
	return a
}

// Try replaces the endpoints to try. Urgent says that the peer is more than sighted.
func (a *Attempt) Try(endpoints []sight.Endpoint, urgent bool) {
	a.endpoints.Store(&endpoints)
	if urgent && !a.hurried {
		a.hurried = true
		close(a.urgent)
	}
}

// Host returns the host that all endpoints to try are on, empty if they are on several.
func (a *Attempt) Host() string {
	host := ""
	for i, e := range *a.endpoints.Load() {
		if i > 0 && e.Host() != host {
			return ""
		}
		host = e.Host()
	}
	return host
}

// Cancel ends the attempt: Run returns soon.
func (a *Attempt) Cancel() { a.cancel() }

// Spare ends the attempt where it waits: the peer has connected to us. A try that is under
// way goes on, and Run returns what becomes of that. It is called once.
func (a *Attempt) Spare() { close(a.needless) }

// Run tries the endpoints until one accepts, and returns the link and where it leads, or
// nil if the attempt has ended. Refused is called each time that all of them have refused.
func (a *Attempt) Run(d *Dialer, open Open, refused func()) (*link.Link, sight.Endpoint) {
	defer a.cancel()
	for wait := a.Wait; ; wait = link.Longer(wait) {
		if !link.Pause(a.ctx, link.Vary(wait, d.random(a.whom))) || closed(a.needless) {
			return nil, sight.Endpoint{}
		}
		won, all := a.round(d, open)
		switch {
		case won.link != nil:
			return won.link, won.endpoint
		case closed(a.needless):
			return nil, sight.Endpoint{}
		case all:
			refused()
		}
	}
}

// round tries each endpoint once, those that become known meanwhile as well, and takes the
// first that accepts. It tells whether all have refused. Peers that are only sighted wait
// until it is their turn.
func (a *Attempt) round(d *Dialer, open Open) (won dialled, refused bool) {
	over := a.turn(d)
	if over == nil {
		return won, false
	}
	defer over()
	ctx, cancel := context.WithCancel(a.ctx)
	defer cancel()
	results := make(chan dialled)
	tried, pending, refusals := map[sight.Endpoint]bool{}, 0, 0
	next := time.NewTicker(stagger)
	defer next.Stop()
	begin := func() {
		for _, endpoint := range *a.endpoints.Load() {
			if won.link == nil && !tried[endpoint] {
				tried[endpoint] = true
				pending++
				next.Reset(stagger)
				go func() { results <- d.dial(ctx, endpoint, open) }()
				return
			}
		}
	}
	for begin(); pending > 0; {
		select {
		case <-next.C:
			begin()
		case r := <-results:
			pending--
			switch {
			case r.err == nil && won.link == nil:
				won = r
				cancel()
			case r.err == nil:
				_ = r.link.Close()
				d.Leave(r.endpoint)
			default:
				if errors.Is(r.err, syscall.ECONNREFUSED) || errors.Is(r.err, ErrSomebodyElse) {
					refusals++
				}
				begin()
			}
		}
	}
	return won, refusals == len(tried)
}

// turn waits until it is the attempt's turn, and returns what is to be called when that is
// over, or nil if the attempt has ended.
func (a *Attempt) turn(d *Dialer) (over func()) {
	if !a.Second {
		return a.take(d.slots)
	}
	began := time.Now()
	next := a.take(d.second)
	if next == nil {
		return nil
	}
	var leave func()
	if a.lets(&d.door, began) {
		leave = a.take(d.slots)
	}
	if leave == nil {
		next()
		return nil
	}
	late := time.AfterFunc(alone, next)
	return func() {
		late.Stop()
		next()
		leave()
	}
}

// take takes one of the places that there are for who is only sighted, and returns what gives
// it back, which is more than once nothing; or nil if the attempt has ended. Others need none.
func (a *Attempt) take(places chan struct{}) (leave func()) {
	if closed(a.urgent) {
		return func() {}
	}
	select {
	case <-a.urgent:
		return func() {}
	case places <- struct{}{}:
		return sync.OnceFunc(func() { <-places })
	case <-a.needless:
	case <-a.ctx.Done():
	}
	return nil
}

// closed tells whether a gate is.
func closed(gate <-chan struct{}) bool {
	select {
	case <-gate:
		return true
	default:
		return false
	}
}

// dialled is what became of an endpoint.
type dialled struct {
	endpoint sight.Endpoint
	link     *link.Link
	err      error
}

// dial opens a link over a line of its own.
func (d *Dialer) dial(ctx context.Context, endpoint sight.Endpoint, open Open) dialled {
	if err := d.lines.enter(ctx, endpoint.Address); err != nil {
		return dialled{endpoint: endpoint, err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, link.DialTime)
	defer cancel()
	l, err := open(ctx, endpoint)
	if err != nil {
		d.Leave(endpoint)
	}
	return dialled{endpoint, l, err}
}

// Again returns how long to wait before the next connection to a peer whose last one is
// lost, for which we had waited for last. Where they never stand for long, as where the far
// side does not take our greeting, the wait gets longer each time. It stays below the
// greeting time-out, so that a peer that greets us meanwhile is answered in time, and while
// the peer is present as short as where nothing can be reached.
func Again(last, stood time.Duration, present bool, greeting time.Duration) time.Duration {
	most := min(greeting, peermachine.DefaultGreeting) / 2
	switch {
	case stood >= most:
		return link.FirstWait
	case present:
		return link.Longer(last)
	}
	return min(max(2*last, link.FirstWait), most)
}

// Knock says that somebody has connected to us who has yet to show who it is. What it returns
// is called once, when that has come in, or not.
func (d *Dialer) Knock() (over func(in bool)) {
	d.door.mu.Lock()
	defer d.door.mu.Unlock()
	d.door.there++
	d.door.came = time.Now()
	return d.door.leave
}

// lets lets those come in who are there. It tells whether the attempt, which has waited since
// it began, goes on.
func (a *Attempt) lets(d *door, began time.Time) bool {
	for end := began.Add(patience); time.Now().Before(end) && !closed(a.urgent); {
		most, left := d.waits()
		if most == 0 {
			return true
		}
		select {
		case <-left:
		case <-time.After(min(most, time.Until(end))):
		case <-a.urgent:
		case <-a.needless:
			return false
		case <-a.ctx.Done():
			return false
		}
	}
	return true
}
