package ladder

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	machine "github.com/sjohnr/at-once/generated/go/laddermachine"
	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous/client"
	"github.com/sjohnr/at-once/src/sight"
)

// ErrSelf says that the node has dialled itself.
var ErrSelf = errors.New("that is where the node itself is")

// climb dials a peer at several addresses. It is under the lock of the ladder.
type climb struct {
	way    *way
	ctx    context.Context
	cancel context.CancelFunc
	tried  map[string]bool
	trying int
}

func newClimb(w *way) *climb {
	c := &climb{way: w, tried: map[string]bool{}}
	c.ctx, c.cancel = context.WithCancel(w.ladder.ctx)
	return c
}

// begin dials where a meeting says, the best first.
func (c *climb) begin(m *client.Meeting) {
	l, at := c.way.ladder, time.Now()
	for _, e := range ordered(m.Dial) {
		ip, _ := netip.ParseAddr(e.Host())
		if c.tried[e.Address] {
			continue
		}
		if !l.Dials.Allow(ip, time.Now()) {
			l.Count("addresses that were dialled too often")
			continue
		}
		c.tried[e.Address] = true
		c.trying++
		after := time.Until(at)
		l.work.Go(func() { c.rung(e, m.Card, after) })
		at = at.Add(oncemsg.MaxStagger * time.Millisecond)
	}
	c.trying++
	l.work.Go(c.done) // who cannot be dialled at all is known to fail
}

// rung dials one address after a while. What is connected becomes a link even where another
// link has come meanwhile: each side would take the other's for that otherwise.
func (c *climb) rung(e sight.Endpoint, card *identity.Card, after time.Duration) {
	l, w := c.way.ladder, c.way
	defer c.done()
	if !link.Pause(c.ctx, after) {
		return
	}
	began, rung := time.Now(), rung(e)
	dial := l.punch
	if rung == LAN {
		dial = l.near
	}
	made, err := dial(c.ctx, e, card)
	if err != nil && c.ctx.Err() != nil {
		err = context.Cause(c.ctx)
	}
	l.tell(Trial{Peer: w.peer, Rung: rung, Endpoint: e.Address, Took: time.Since(began), Err: err})
	if err == nil {
		l.took(w, Path{w.peer, rung, made})
	}
}

// done notes that a rung is over.
func (c *climb) done() {
	l := c.way.ladder
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.trying--; c.trying == 0 && c.way.climb == c {
		c.way.fire(machine.EventFailed)
	}
}

// took takes a link that the node has made.
func (l *Ladder) took(w *way, p Path) {
	l.mu.Lock()
	kept := w.take(p)
	if kept {
		l.Made(p)
	}
	l.mu.Unlock()
	if !kept {
		_ = p.Link.Close()
	}
}

// near dials an address of a shared network.
func (l *Ladder) near(ctx context.Context, e sight.Endpoint, card *identity.Card) (*link.Link, error) {
	conn, err := link.Connect(ctx, l.Near, e.Bare())
	if err != nil {
		return nil, err
	}
	return l.Open(l.ctx, conn, card, false)
}

// synTime is how long a packet may go unanswered: TCP would send the second one after a
// second. A refusal is answered at once by another, and further ones a little later each.
const (
	synTime    = time.Second
	firstPause = 10 * time.Millisecond
)

// punch dials an address while the peer dials back, so that what is between them lets both
// through.
func (l *Ladder) punch(ctx context.Context, e sight.Endpoint, card *identity.Card) (_ *link.Link, last error) {
	var pause time.Duration
	began := time.Now()
	for packets := 0; packets < oncemsg.MaxPunch && link.Pause(ctx, link.Vary(pause, l.Random("punch"))-time.Since(began)); {
		began = time.Now()
		conn, err := l.syn(ctx, e)
		switch {
		case err == nil:
			// What comes to nothing is reset, so that the system forgets it at once.
			linger(conn, 0)
			made, err := l.Open(l.ctx, conn, card, true)
			if err == nil {
				linger(conn, -1)
				return made, nil
			}
			last = err
		case errors.Is(err, syscall.EADDRNOTAVAIL):
			// The peer's packet was first: its connection is about to be accepted.
			last, began = err, time.Now().Add(synTime/4)
			continue
		case errors.Is(err, ErrSelf) || errors.Is(err, syscall.ENETUNREACH):
			return nil, err
		default:
			last = cmp.Or(last, err)
		}
		if packets++; packets > 1 {
			pause = min(max(2*pause, firstPause), synTime)
		}
	}
	return nil, cmp.Or(last, context.Cause(ctx))
}

// linger has a connection of TCP be reset when it is closed, or not.
func linger(conn net.Conn, seconds int) {
	if conn, ok := conn.(interface{ SetLinger(int) error }); ok {
		_ = conn.SetLinger(seconds) // fails only if it has ended
	}
}

// syn connects with one packet.
func (l *Ladder) syn(ctx context.Context, e sight.Endpoint) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, synTime)
	defer cancel()
	conn, err := l.Far.Dial(ctx, e.Bare())
	if err == nil && conn.LocalAddr().String() == conn.RemoteAddr().String() {
		_ = conn.Close()
		err = ErrSelf
	}
	return conn, err
}

// ordered returns endpoints, the best first, each once.
func ordered(list []sight.Endpoint) []sight.Endpoint {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b sight.Endpoint) int { return cmp.Compare(rung(b), rung(a)) })
	return list
}

func rung(e sight.Endpoint) Rung {
	ip, _ := netip.ParseAddr(e.Host())
	return rungOf(ip)
}
