package zre

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/electionmachine"
	"github.com/sjohnr/at-once/generated/go/zremsg"
)

// contest makes a world of hosts that know each other; those of the given
// numbers contest in group 0, in which all are.
func contest(t *testing.T, hosts, plain int, contestants ...int) *world {
	w := newWorld(t, 5, hosts, plain)
	w.loss = 0
	for i, h := range w.hosts {
		h.id[0] = byte(i) // the lowest number has the lowest id
		h.own[group(0)] = true
		clear(h.contests)
	}
	for _, i := range contestants {
		w.hosts[i].contests[group(0)] = true
	}
	w.run(10 * time.Second)
	return w
}

// contest has a host begin to contest in group 0.
func (h *host) contest() {
	h.contests[group(0)] = true
	h.step(Contest{group(0)})
}

func (w *world) wantLeader(number int) {
	w.t.Helper()
	want := uuid.Nil
	if number >= 0 {
		want = w.hosts[number].id
	}
	for _, h := range w.hosts {
		if !h.plain && h.up() && h.own[group(0)] && h.leaders[group(0)] != want {
			w.t.Errorf("host %d takes %s for the leader, should be host %d", h.number, h.leaders[group(0)], number)
		}
	}
}

func TestElections(t *testing.T) {
	cases := []struct {
		name        string
		hosts       int
		contestants []int
		then        func(*world)
		leader      int // -1 for none
	}{
		{"nobody contests", 3, nil, nil, -1},
		{"one alone", 1, []int{0}, nil, 0},
		{"one of several", 4, []int{2}, nil, 2},
		{"two", 4, []int{1, 3}, nil, 1},
		{"all", 8, []int{0, 1, 2, 3, 4, 5, 6, 7}, nil, 0},
		{"the leader leaves", 4, []int{1, 3}, func(w *world) { w.hosts[1].change(group(0)) }, 3},
		{"the leader stops", 4, []int{1, 3}, func(w *world) { w.hosts[1].stop() }, 3},
		{"the leader dies", 4, []int{1, 3}, func(w *world) { w.hosts[1].crash(true) }, 3},
		{"the only contestant dies", 4, []int{1}, func(w *world) { w.hosts[1].crash(false) }, -1},
		{"a follower leaves", 4, []int{1, 3}, func(w *world) { w.hosts[2].change(group(0)) }, 1},
		{"the leader comes back", 4, []int{1, 3}, func(w *world) {
			w.hosts[1].crash(false)
			w.run(time.Minute)
			w.hosts[1].start()
		}, 1},
		{"one begins to contest", 4, []int{3}, func(w *world) { w.hosts[2].contest() }, 2},
		{"the network is parted and whole again", 6, []int{1, 3, 5}, func(w *world) {
			w.part()
			w.run(3 * time.Minute)
		}, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := contest(t, c.hosts, 0, c.contestants...)
			if c.then != nil {
				c.then(w)
			}
			w.run(2 * time.Minute)
			w.wantLeader(c.leader)
			before := w.elections
			w.run(time.Minute)
			if w.elections > before {
				t.Errorf("the election goes on for ever: %d messages in a minute", w.elections-before)
			}
		})
	}
}

// TestContestWhileSupporting has a member begin to contest while it supports one that it comes
// before. It does not wait until that election is over.
func TestContestWhileSupporting(t *testing.T) {
	w := contest(t, 3, 0)
	w.hosts[2].contest()
	ballot := func() *election { return w.hosts[0].core.elections.ballots[group(0)] }
	for waits := 0; ballot() == nil || ballot().state != electionmachine.StateSupporting; waits++ {
		if waits == 1000 {
			t.Fatal("the lowest member supports nobody")
		}
		w.run(time.Millisecond)
	}
	w.hosts[0].contest()
	w.run(electionmachine.DefaultElection / 2)
	w.wantLeader(0)
}

// TestElectionCost holds the number of messages against what the model says.
func TestElectionCost(t *testing.T) {
	const hosts = 50
	w := contest(t, hosts, 0)
	for i := range 3 {
		w.hosts[10+i].contest()
	}
	w.run(10 * time.Second)
	w.wantLeader(10)
	if w.elections > 3*3*hosts {
		t.Errorf("%d messages for an election among %d with 3 challengers", w.elections, hosts)
	}
}

// TestElectionsWithPlainMembers has members that know nothing of elections: they
// hold them up, and no more.
func TestElectionsWithPlainMembers(t *testing.T) {
	w := contest(t, 3, 2, 1, 2)
	w.run(10 * time.Second)
	w.wantLeader(1)
}

// TestHostileElections has a neighbour say what makes no sense, or too often.
func TestHostileElections(t *testing.T) {
	w := contest(t, 3, 1, 1, 2)
	w.run(10 * time.Second)
	victim, mallory := w.hosts[0], w.hosts[3]
	outsider := w.newID()
	upper := hexadecimal(w.hosts[1].id)
	nonsense := []zremsg.Message{
		&zremsg.Elect{Group: group(0), ChallengerID: ""},
		&zremsg.Elect{Group: group(0), ChallengerID: "no id at all, but 32 characters."},
		&zremsg.Elect{Group: group(0), ChallengerID: hexadecimal(outsider)},
		&zremsg.Elect{Group: "elsewhere", ChallengerID: upper},
		&zremsg.Leader{Group: group(0), LeaderID: hexadecimal(outsider)},
		&zremsg.Leader{Group: "elsewhere", LeaderID: hexadecimal(mallory.id)},
	}
	claims := []zremsg.Message{ // of what only others could say
		&zremsg.Elect{Group: group(0), ChallengerID: hexadecimal(victim.id)},
		&zremsg.Elect{Group: group(0), ChallengerID: upper},
		&zremsg.Leader{Group: group(0), LeaderID: hexadecimal(victim.id)},
		&zremsg.Leader{Group: group(0), LeaderID: hexadecimal(w.hosts[2].id)},
	}
	link := victim.core.peers[mallory.id].voice.link
	counted, sent, told := 0, 0, 0
	for range 1000 {
		for _, m := range append(nonsense, claims...) {
			for _, out := range victim.core.Step(victim.now(), Heard{Peer: mallory.id, Link: link, Message: m}) {
				switch out := out.(type) {
				case Count:
					counted++
				case Send:
					sent++
				case Event:
					told++
					t.Errorf("%+v makes the event %s", m, out.Type)
				}
			}
		}
	}
	if want := 1000 * len(nonsense); counted != want || sent > 0 {
		t.Errorf("%d messages were counted, %d were answered; should be %d and none", counted, sent, want)
	}
	if n := len(victim.core.ballots); n != 1 {
		t.Errorf("there are %d elections", n)
	}
}

// wave is a member that takes part in elections as Zyre does (zyre_election.c):
// it counts an ELECT from each neighbour before it answers the one that it had
// the challenge from, and a LEADER from each before it believes it.
type wave struct {
	z          *zyre
	contests   bool
	mortal     bool   // it dies where Zyre stops at an assertion; else the test fails
	challenger string // the lowest so far
	father     uuid.UUID
	elects     int
	leaders    int
	leader     string // the outcome
}

func (v *wave) toAll(m zremsg.Message, but uuid.UUID) {
	for _, id := range v.members() {
		if id != but {
			v.z.send(id, m)
		}
	}
}

func (v *wave) members() []uuid.UUID {
	var ids []uuid.UUID
	for _, id := range sortedIDs(v.z.peers) {
		if p := v.z.peers[id]; p.ready && p.groups[group(0)] {
			ids = append(ids, id)
		}
	}
	return ids
}

func (v *wave) elect() zremsg.Message {
	return &zremsg.Elect{Group: group(0), ChallengerID: v.challenger}
}

// challenge is what Zyre does when somebody joins.
func (v *wave) challenge() {
	v.restart(hexadecimal(v.z.h.id), uuid.Nil)
	v.toAll(v.elect(), uuid.Nil)
}

// restart begins an election, or ends one if there is no challenger.
func (v *wave) restart(challenger string, father uuid.UUID) {
	*v = wave{z: v.z, contests: v.contests, mortal: v.mortal, challenger: challenger, father: father, leader: v.leader}
}

func (v *wave) hear(from uuid.UUID, m zremsg.Message) error {
	self := hexadecimal(v.z.h.id)
	switch m := m.(type) {
	case *zremsg.Join:
		if v.contests && v.z.h.own[m.Group] {
			v.challenge()
		}
	case *zremsg.Elect:
		if v.challenger == "" || m.ChallengerID < v.challenger {
			v.restart(m.ChallengerID, from)
			v.toAll(v.elect(), from)
		}
		if m.ChallengerID != v.challenger {
			return nil
		}
		if v.elects++; v.elects != len(v.members()) {
			return nil
		}
		if v.challenger == self {
			v.toAll(&zremsg.Leader{Group: group(0), LeaderID: self}, uuid.Nil)
		} else {
			v.z.send(v.father, v.elect())
		}
	case *zremsg.Leader:
		if v.challenger == "" && v.mortal {
			v.z.h.crash(false)
			return nil
		} else if v.challenger == "" {
			return fmt.Errorf("host %d: LEADER without ELECT: Zyre would have crashed", v.z.h.number)
		}
		if m.LeaderID != self && v.leaders == 0 {
			v.toAll(&zremsg.Leader{Group: group(0), LeaderID: v.challenger}, uuid.Nil)
		}
		if v.leaders++; v.leaders == len(v.members()) {
			v.leader = m.LeaderID
			v.restart("", uuid.Nil)
		}
	}
	return nil
}

// TestElectionsWithZyre lets members that count as Zyre does hold elections with
// ours. The plain ones do not know each other here, so there is one at a time.
func TestElectionsWithZyre(t *testing.T) {
	for _, c := range []struct {
		name         string
		ours         []int
		zyreContests bool
		then         func(*world)
		leader       int
	}{
		{"ours contests", []int{1}, false, nil, 1},
		{"two of ours contest", []int{0, 1}, false, nil, 0},
		{"the Zyre contests", nil, true, func(w *world) { w.rejoin(2) }, 3},
		{"both contest", []int{1}, true, func(w *world) { w.rejoin(2) }, 1},
		{"the leader leaves", []int{1, 2}, false, func(w *world) { w.hosts[1].change(group(0)) }, 2},
		{"a follower joins anew", []int{1}, false, func(w *world) { w.rejoin(2) }, 1},
		{"the Zyre joins anew", []int{1}, false, func(w *world) { w.rejoin(3) }, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 5, 3, 1)
			w.loss = 0
			for i, h := range w.hosts {
				h.id[0] = byte(i)
				clear(h.contests)
				h.own[group(0)] = true
			}
			w.run(time.Second)
			z := w.hosts[3].zyre
			z.wave = &wave{z: z, contests: c.zyreContests}
			for _, i := range c.ours {
				w.hosts[i].contest()
			}
			w.run(10 * time.Second)
			if c.then != nil {
				c.then(w)
				w.run(time.Minute)
			}
			w.wantLeader(c.leader)
			if want := hexadecimal(w.hosts[c.leader].id); z.wave.leader != want {
				t.Errorf("the Zyre takes %q for the leader, should be %s; %+v", z.wave.leader, want, z.wave)
			}
		})
	}
}

// TestElectionsAmongZyre starts two Zyre, which contest, and two of ours, one of which
// does, all at about the same time, and has them meet and join in many orders. Zyre's
// wave does not stand that: a JOIN makes it begin anew while the others still count
// the former one. Alone, four Zyre agree in half of the runs. But ours agree with
// those that agree with each other, and do not keep them from it.
func TestElectionsAmongZyre(t *testing.T) {
	runs, agreed := 0, 0
	var strays []uint64
	forSeeds(t, 2000, 500, func(t *testing.T, seed uint64) {
		runs++
		switch leader, all := gathering(named{t, seed}, seed); {
		case all:
			agreed++
		case leader:
			strays = append(strays, seed)
		}
	})
	t.Logf("%d runs, in %d all agree; in %v ours do not agree with Zyre's", runs, agreed, strays)
	if agreed < runs*3/4 || len(strays) > agreed/500 {
		t.Errorf("all agree in %d of %d runs; ours do not agree with Zyre's with the seeds %v", agreed, runs, strays)
	}
}

// gathering is one run of it. It tells whether the Zyre agree on a leader, and whether all
// agree.
func gathering(t testing.TB, seed uint64) (zyres, all bool) {
	w := newWorld(t, seed, 2, 2)
	w.loss = 0
	for _, h := range w.hosts {
		clear(h.contests)
	}
	w.hosts[0].contests[group(0)] = true
	w.run(51 * time.Millisecond) // all have started, and nobody has met
	zyre := w.hosts[2:]
	for i, h := range zyre {
		other := zyre[1-i]
		h.zyre.wave = &wave{z: h.zyre, contests: true, mortal: true}
		w.after(time.Duration(w.random.IntN(100))*time.Millisecond, func() { h.step(Sighted{other.id, other.endpoint()}) })
	}
	for _, h := range w.hosts {
		w.after(time.Duration(w.random.IntN(400))*time.Millisecond, func() { h.change(group(0)) })
	}
	w.run(40 * time.Second)
	for _, h := range zyre {
		if !h.up() {
			return false, false
		}
	}
	leader := zyre[0].zyre.wave.leader
	zyres = leader != "" && leader == zyre[1].zyre.wave.leader
	all = zyres
	for _, h := range w.hosts[:2] {
		all = all && hexadecimal(h.leaders[group(0)]) == leader
	}
	return zyres, all
}

// rejoin has a host leave group 0 and join it again.
func (w *world) rejoin(number int) {
	for range 2 {
		w.hosts[number].change(group(0))
		w.run(10 * time.Second)
	}
}
