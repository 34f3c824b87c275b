package node

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/ladder"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
)

// several is two nodes that find each other by the links alone that a test makes between them.
type several struct {
	*lan
	ana, ben *actor
	made     []*crossing

	mu     sync.Mutex // guards what follows
	random *rand.Rand
	slow   map[string]time.Duration // how long it takes from a host and to it, by its address
}

// crossing is a link that a test has one node make to the other, from a host of its own.
type crossing struct {
	host string
	rung ladder.Rung
	cut  bool
	ends [2]atomic.Pointer[receiver] // at who has made it, and at the other; nil for one that has not begun
}

func newSeveral(t *testing.T, seed uint64) *several {
	s := &several{lan: newLAN(t), random: rand.New(rand.NewPCG(seed, 0)), slow: map[string]time.Duration{}}
	s.memory = link.NewMemory(func(from, to string) time.Duration {
		s.mu.Lock()
		defer s.mu.Unlock()
		least := max(s.slow[from], s.slow[to], time.Millisecond)
		return least + time.Duration(s.random.Int64N(int64(least)))
	})
	s.hub.Cut(func(string, string) bool { return true })
	s.ana, s.ben = s.node("ana", with(api.NodeSecurityAuto)), s.node("ben", with(api.NodeSecurityAuto))
	return s
}

// up draws a number below another.
func (s *several) up(to int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.IntN(to)
}

// pause lets pass some time, in which some of what is under way arrives.
func (s *several) pause() { time.Sleep(time.Duration(s.up(60)) * time.Millisecond) }

// cross has one of the nodes make a link to the other, over some way.
func (s *several) cross() {
	from, to := s.ana, s.ben
	if s.up(2) == 0 {
		from, to = to, from
	}
	c := &crossing{host: fmt.Sprintf("10.1.0.%d", len(s.made)+1), rung: ladder.Rung(s.up(int(ladder.LAN) + 1))}
	slow := time.Duration(1+s.up(20)) * time.Millisecond
	s.mu.Lock()
	s.slow[c.host] = slow
	s.mu.Unlock()
	s.made = append(s.made, c)
	listener, err := s.memory.Host(to.host).Listen(s.t.Context(), "tcp://*:*")
	s.ana.must(err)
	go func() {
		conn, err := listener.Accept()
		if err = errors.Join(err, listener.Close()); err == nil {
			s.takes(c, to, conn)
		}
	}()
	go func() {
		conn, err := s.memory.Host(c.host).Dial(s.t.Context(), fmt.Sprint("tcp://", listener.Addr()))
		if err == nil {
			s.makes(c, from, to, conn)
		}
	}()
}

// makes has a node begin a link that it has made, as caller.lane does.
func (s *several) makes(c *crossing, from, to *actor, conn net.Conn) {
	l := from.loop
	config := l.linkConfig(zmtp.Dealer)
	config.Held, config.Properties = true, l.guard.Properties(false)
	k, err := link.Open(s.t.Context(), conn, config)
	if err != nil { // it was cut
		return
	}
	nonces, incarnation, name := guard.NoncesOf(k)
	r := newReceiver(l)
	r.peer, r.link, r.nonces, r.both, r.beyond, r.rung = to.UUID(), k, nonces, true, c.rung != ladder.LAN, c.rung
	r.lane.endpoint = parsed(to.Endpoint())
	k.Unwatch()
	l.do(func() { (&caller{loop: l, to: to.UUID()}).joins(r, incarnation, name) })
	c.ends[0].Store(r)
	r.serveIdle(func() { _ = k.Close() })
}

// takes has a node take a link, as acceptor.receive does.
func (s *several) takes(c *crossing, to *actor, conn net.Conn) {
	l, r := acceptor{to.loop}, newReceiver(to.loop)
	r.visit, _ = l.guard.Throttle.Admit(conn.RemoteAddr(), time.Now())
	r.known = func() {}
	if r.link = l.shake(r, conn); r.link == nil { // it was cut
		r.isKnown()
		return
	}
	if r.beyond, r.rung = c.rung != ladder.LAN, c.rung; l.register(r) {
		c.ends[1].Store(r)
		r.serveIdle(func() { l.lost(r) })
	}
}

// stands tells whether neither side has seen the link end.
func (c *crossing) stands() bool {
	for i := range c.ends {
		r := c.ends[i].Load()
		if r == nil {
			return false
		}
		select {
		case <-r.done:
			return false
		default:
		}
	}
	return true
}

// uses returns what one says to the other over, and how often a link was chosen.
func (a *actor) uses(b *actor) (over *receiver, turn uint64) {
	a.loop.do(func() {
		if t := a.loop.of(b.UUID()).talk; t != nil {
			over, turn = t.over, t.turn
		}
	})
	return over, turn
}

// agrees expects that what is said goes over the best link that stands, in both directions, and
// over the best of all if none was cut, and that it stays so.
func (s *several) agrees() {
	s.t.Helper()
	s.rest()
	s.rest()
	ours, turn := s.ana.uses(s.ben)
	theirs, _ := s.ben.uses(s.ana)
	if ours == nil || theirs == nil || ours.link.LocalAddr().String() != theirs.link.RemoteAddr().String() {
		s.t.Fatal("they use different links")
	}
	cut := false
	for _, c := range s.made {
		cut = cut || c.cut
	}
	for _, c := range s.made {
		if c.rung > ours.rank() && (c.stands() || !cut) {
			s.t.Errorf("they use a link that is %v, and one that is %v stands or was closed", ours.rank(), c.rung)
		}
	}
	s.rest()
	if _, now := s.ana.uses(s.ben); now != turn {
		s.t.Error("links are chosen without end")
	}
}

// TestSeveral has two nodes make links to each other over better and worse ways, which cross,
// and cuts some, while they talk.
func TestSeveral(t *testing.T) {
	for seed := range uint64(500) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSeveral(t, seed)
				defer s.ben.Stop()
				defer s.ana.Stop()
				for range 1 + s.up(maxLanes) {
					s.cross()
					s.pause()
				}
				s.ana.wants("enter ben")
				s.ben.wants("enter ana")
				if s.up(2) == 0 {
					s.agrees()
				}
				said := s.talks()
				s.agrees()
				for i := range said {
					s.ben.wants(fmt.Sprintf(`whisper ana "%d"`, i))
					s.ana.wants(fmt.Sprintf(`whisper ben "%d"`, i))
				}
				s.ana.idle(time.Second)
				s.ben.idle(time.Second)
			})
		})
	}
}

// talks has both say something again and again, while links are made and cut. There is always one
// that stands. It returns how much each has said.
func (s *several) talks() (said int) {
	for range s.up(6) {
		s.pause()
		for range s.up(8) {
			s.ana.must(s.ana.Whisper(s.t.Context(), s.ben.UUID(), text(fmt.Sprint(said))))
			s.ben.must(s.ben.Whisper(s.t.Context(), s.ana.UUID(), text(fmt.Sprint(said))))
			said++
		}
		var stand []*crossing
		uncut := 0
		for _, c := range s.made {
			if !c.cut {
				uncut++
			}
			if !c.cut && c.stands() {
				stand = append(stand, c)
			}
		}
		switch {
		case len(stand) > 1 && s.up(2) == 0:
			c := stand[s.up(len(stand))]
			c.cut = true
			s.memory.Cut(c.host)
		case uncut < maxLanes:
			s.cross()
		}
	}
	return said
}
