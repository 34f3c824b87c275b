package interop

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/once"
	"github.com/sjohnr/at-once/generated/go/zremsg"
)

// ballot is what a double knows of the elections of a group (zyre_election.c).
type ballot struct {
	contests bool
	leader   *zyrePeer // of the latest election, nil if none or the node itself
	wave     *wave     // nil if no election is on
}

// wave is an election: the node supports the challenger with the lowest id, counts the
// members that do, and then those that name the leader.
type wave struct {
	challenger string // empty if none yet
	father     *zyrePeer
	elects     int
	leaders    int
}

func (g *zyreGroup) elect() zremsg.Message {
	return &zremsg.Elect{Group: g.name, ChallengerID: g.wave.challenger}
}

// challenge begins an election anew.
func (z *zyre) challenge(g *zyreGroup) {
	g.wave = &wave{challenger: hex(z.id)}
	z.sendAll(g, g.elect())
}

// joined and left take in that a group has another member, or one less.
func (z *zyre) joined(group string) {
	if g := z.group(group); slices.Contains(z.own, group) && g.contests {
		z.challenge(g)
	}
}

func (z *zyre) left(p *zyrePeer, group string) {
	g := z.group(group)
	if !slices.Contains(z.own, group) || g.leader != p {
		return
	}
	if g.wave = nil; g.contests {
		z.challenge(g)
	}
}

func (z *zyre) elect(p *zyrePeer, g *zyreGroup, challenger string) {
	z.trace("hears ELECT %.4s from %s", challenger, p.name)
	if g.wave == nil {
		g.wave = &wave{}
	}
	w := g.wave
	if w.challenger == "" || challenger < w.challenger {
		*w = wave{challenger: challenger, father: p}
		for _, other := range g.peers {
			if other != p {
				z.send(other, g.elect())
			}
		}
	}
	if w.challenger != challenger {
		return
	}
	if w.elects++; w.elects != len(g.peers) {
		return
	}
	if challenger == hex(z.id) {
		z.sendAll(g, &zremsg.Leader{Group: g.name, LeaderID: challenger})
	} else {
		z.hold(w.father != nil, "no father for %s", challenger)
		z.send(w.father, g.elect())
	}
}

func (z *zyre) lead(p *zyrePeer, g *zyreGroup, leader string) {
	z.trace("hears LEADER %.4s from %s", leader, p.name)
	if g.wave == nil {
		g.wave = &wave{}
	}
	w := g.wave
	if leader != hex(z.id) && w.leaders == 0 {
		z.hold(w.challenger != "", "LEADER of %s without ELECT", p.name)
		z.sendAll(g, &zremsg.Leader{Group: g.name, LeaderID: w.challenger})
	}
	if w.leaders++; w.leaders != len(g.peers) {
		return
	}
	name := z.Name
	if leader != hex(z.id) {
		g.leader = z.peers[uuid.MustParse(leader)]
		z.hold(g.leader != nil, "the leader is not there")
		name = g.leader.name
	}
	g.wave = nil
	z.tell(Event{Type: "leader", Peer: leader, Name: name, Group: g.name})
}

// trace tells a test what the double hears.
func (z *zyre) trace(format string, args ...any) {
	z.tell(Event{Type: fmt.Sprintf(format, args...)})
}

// opinions is who leads, as each of a group's members says.
type opinions struct {
	mu  sync.Mutex
	who map[string]string // UUIDs; gone if it has stopped at an assertion
	log diary
}

func (o *opinions) say(name, leader string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.who[name] = leader
}

// follow notes what a double says, until it ends.
func (o *opinions) follow(z *plainNode) {
	for e := range z.events {
		o.log.note("%s: %.4s %s", z.name, e.Peer, e)
		if e.Type == "leader" {
			o.say(z.name, e.Peer)
		}
	}
	o.say(z.name, "gone")
}

// listen notes what one of ours says, until the context ends.
func (o *opinions) listen(ctx context.Context, name string, node *once.Node) {
	for event := range node.Events(ctx) {
		o.log.note("%s: %.4s %s", name, hex(event.About().Peer.UUID()), tell(event))
		if leader, ok := event.(*once.Leader); ok {
			o.say(name, hex(leader.Peer.UUID()))
		}
	}
}

// verdict tells whether the Zyre agree on somebody, and whether ours say the same.
func (o *opinions) verdict() (zyres, all bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	leader := o.who["z0"]
	zyres = leader != "" && leader != "gone" && leader == o.who["z1"]
	return zyres, zyres && leader == o.who["contests"] && leader == o.who["follows"]
}

const electing = "CHAT" // the group of the elections

// electorate starts two Zyre and two of ours that know each other, and returns how
// each joins the group. All but one of ours contest.
func (o *opinions) electorate(t *testing.T, net byte) map[string]func() {
	t.Helper()
	port := freePort(t)
	join := map[string]func(){}
	var zyres []*plainNode
	for k := range 2 {
		zyres = append(zyres, startZyre(t, zyreConfig{
			Name: fmt.Sprint("zyre-", k), Device: "lo", Port: uint16(port), Contests: []string{electing},
			Address: netip.PrefixFrom(netip.AddrFrom4([4]byte{127, 0, net, byte(k + 10)}), 8),
		}))
	}
	slices.SortFunc(zyres, func(a, b *plainNode) int { return cmp.Compare(a.uuid, b.uuid) })
	ctx, cancel := context.WithCancel(t.Context())
	var listening sync.WaitGroup
	t.Cleanup(func() { cancel(); listening.Wait() })
	for _, name := range []string{"contests", "follows"} {
		c := once.Config{Name: name, Interfaces: []string{"lo"}, BeaconPort: port}
		if name == "contests" {
			c.Contest = []string{electing} // whenever it is in the group
		}
		node, err := once.Start(ctx, c)
		must(t, err)
		t.Cleanup(func() { node.Close() })
		must(t, node.Leave(electing))
		o.log.note("%s is %.4s", name, hex(node.UUID()))
		join[name] = func() { must(t, node.Join(electing)) }
		for plain := 0; plain < 2; {
			event, err := node.Next(ctx)
			must(t, err)
			if e, ok := event.(*once.Enter); ok && e.Peer.Incarnation() == 0 {
				plain++
			}
		}
		listening.Go(func() { o.listen(ctx, name, node) })
	}
	for k, z := range zyres {
		z.name = fmt.Sprint("z", k)
		o.log.note("%s is %.4s", z.name, z.uuid)
		join[z.name] = func() { z.do("join", electing, "") }
		listening.Go(func() { o.follow(z) })
		t.Cleanup(z.stop)
	}
	return join
}

// TestElectionWithZyre has two Zyre and two of ours join a group, in many orders. Zyre
// do not always agree with each other; when they do, so do ours, and mostly they do.
func TestElectionWithZyre(t *testing.T) {
	orders := [][]string{
		{"z0", "z1", "contests", "follows"}, {"z1", "z0", "contests", "follows"},
		{"contests", "follows", "z0", "z1"}, {"follows", "contests", "z1", "z0"},
		{"z0", "contests", "z1", "follows"}, {"contests", "z1", "follows", "z0"},
	}
	var runs, agreed atomic.Int32
	t.Cleanup(func() {
		if agreed.Load() < runs.Load()*3/4 {
			t.Errorf("all agree in %d of %d runs", agreed.Load(), runs.Load())
		}
	})
	for i, order := range orders {
		for k, pause := range []time.Duration{0, 30 * time.Millisecond, 300 * time.Millisecond} {
			t.Run(fmt.Sprint(order, pause), func(t *testing.T) {
				t.Parallel()
				o := &opinions{who: map[string]string{}, log: diary{began: time.Now()}}
				join := o.electorate(t, byte(1+len(orders)*k+i))
				for _, name := range order {
					<-time.After(pause)
					o.log.note("%s joins", name)
					join[name]()
				}
				agree, all := o.verdict()
				for end := time.Now().Add(15 * time.Second); !all && time.Now().Before(end); { // for one more challenge
					<-time.After(100 * time.Millisecond)
					agree, all = o.verdict()
				}
				runs.Add(1)
				if all {
					agreed.Add(1)
				} else if agree {
					t.Errorf("ours do not agree with Zyre's, %v:\n%s", o.who, &o.log)
				}
			})
		}
	}
}
