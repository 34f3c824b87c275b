package node

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/events"
)

// state is what an application knows: from a snapshot, and from events.
type state map[uuid.UUID]string

func (s state) add(p *Peer) { s[p.UUID()] = fmt.Sprint(p.Name(), p.Groups(), p.Suspect()) }

func stateOf(v *events.View) state {
	s := state{}
	for _, p := range v.Peers() {
		s.add(p)
	}
	return s
}

// take takes in an event, and tells whether it fits to what is known.
func (s state) take(e *Event) bool {
	_, known := s[e.Peer().UUID()]
	switch e.Type() {
	case api.EventTypeEnter:
		s.add(e.Peer())
		return !known
	case api.EventTypeExit:
		delete(s, e.Peer().UUID())
	default:
		s.add(e.Peer())
	}
	return known
}

// TestSnapshot has peers come and go, join and leave, while the application reads
// now and then, and from time to time takes a snapshot and goes on from there.
// Whatever was taken from the queue meanwhile, it must end up with what there is.
func TestSnapshot(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			l := newLAN(t)
			ana := l.node("ana", func(n *Node) { n.events = events.New(1) })
			defer ana.Stop()
			peers := make([]*actor, 5)
			v, err := ana.Snapshot()
			ana.must(err)
			known := stateOf(v)
			for range 400 {
				switch i := random.IntN(len(peers)); {
				case random.IntN(30) == 0:
					v, err = ana.Snapshot()
					ana.must(err)
					known = stateOf(v)
				case random.IntN(20) == 0:
					ana.read(known, v, random.IntN(10))
				case peers[i] == nil:
					peers[i] = l.node(fmt.Sprint("peer ", i))
				case random.IntN(8) == 0:
					peers[i].Stop()
					peers[i] = nil
				case random.IntN(2) == 0:
					ana.must(peers[i].Join(fmt.Sprint("group ", random.IntN(3))))
				default:
					ana.must(peers[i].Leave(fmt.Sprint("group ", random.IntN(3))))
				}
				time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
			}
			time.Sleep(time.Minute)
			ana.read(known, v, -1)
			last, err := ana.Snapshot()
			ana.must(err)
			if want := stateOf(last); fmt.Sprint(known) != fmt.Sprint(want) {
				t.Errorf("seed %d: the application knows\n%v, should know\n%v", seed, known, want)
			}
			for _, p := range peers {
				if p != nil {
					p.Stop()
				}
			}
		})
	}
}

// read reads some of the events that wait, or all, into what is known from a
// view on.
func (a *actor) read(known state, from *events.View, most int) {
	a.lan.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	last := uint64(0)
	for range uint(most) {
		e, err := a.Recv(ctx)
		if err != nil {
			return
		}
		if e.Version() <= last {
			a.lan.t.Fatalf("version %d comes after %d", e.Version(), last)
		}
		if last = e.Version(); last > from.Version() && !known.take(e) {
			a.lan.t.Fatalf("%s of %s does not follow from version %d", e.Type(), e.Peer().Name(), from.Version())
		}
	}
}

// What is left of a peer shows it without what was taken from the queue.
func TestCompactedPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana, ben := l.node("ana", func(n *Node) { n.events = events.New(4) }), l.node("ben")
		defer ana.Stop()
		defer ben.Stop()
		ben.wants("enter ana")
		for _, err := range []error{ben.Join("a"), ben.Join("b"), ben.Leave("a")} {
			ben.must(err)
		}
		time.Sleep(time.Second)
		ana.wants("enter ben")
		e, err := ana.Recv(t.Context())
		ana.must(err)
		if e.Type() != api.EventTypeJoin || !slices.Equal(e.Peer().Groups(), []string{"b"}) {
			t.Errorf("%s %s by a peer in %v", e.Type(), e.Group(), e.Peer().Groups())
		}
		ana.idle(time.Second)
	})
}

func TestLeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		id := func(first byte) func(*Node) {
			return func(n *Node) {
				_ = n.SetSecurity(api.NodeSecurityPlain)
				n.plain[0] = first
				n.settings.headers["ROLE"] = "any"
				_ = n.Join("room")
				_ = n.SetContestInGroup("room")
			}
		}
		ben := l.node("ben", id(2))
		ben.wants("leader ben room")
		v, err := ben.Snapshot()
		ben.must(err)
		if p, err := v.Leader("room"); err != nil || p.UUID() != ben.UUID() || p.Endpoint() != ben.Endpoint() ||
			p.Header("ROLE") != "any" || !slices.Equal(p.Groups(), []string{"room"}) {
			t.Errorf("the leader is %+v, %v", p, err)
		}
		cat := l.node("cat", id(3))
		cat.wants("leader cat room", "enter ben", "join ben room", "leader ben room")
		ben.wants("enter cat", "join cat room")
		ana := l.node("ana", id(1))
		ben.wants("enter ana", "join ana room", "leader ana room")
		cat.wants("enter ana", "join ana room", "leader ana room")
		ana.Stop()
		ben.wants("exit ana left", "leader ben room")
		cat.wants("exit ana left", "leader ben room")
		ben.must(ben.Leave("room"))
		cat.wants("leave ben room", "leader cat room")
		if v, err = ben.Snapshot(); err != nil {
			t.Fatal(err)
		}
		if p, err := v.Leader("room"); err != api.ErrNoPeer {
			t.Errorf("a group that the node has left has the leader %v", p)
		}
		ben.idle(time.Minute)
		cat.idle(time.Minute)
		ben.Stop()
		cat.Stop()
	})
}
