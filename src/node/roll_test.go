package node

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
)

// revoke revokes a member and returns the roll that says so.
func revoke(t testing.TB, network *identity.Network, name string) string {
	t.Helper()
	if err := network.Revoke(name); err != nil {
		t.Fatal(err)
	}
	return rollOf(t, network)
}

func rollOf(t testing.TB, network *identity.Network) string {
	t.Helper()
	roll, err := network.Roll()
	if err != nil {
		t.Fatal(err)
	}
	return roll
}

// revokes are the events of a node that takes in that a member was revoked.
func revokes(name string, id uuid.UUID) []string {
	why := fmt.Errorf("%w: %w", identity.ErrMember, identity.ErrTakenBack)
	return []string{
		fmt.Sprintf("network the network has revoked the membership of %q (%s)", name, id),
		fmt.Sprintf("refused %s %v", name, guard.NotLetIn(why)),
		fmt.Sprintf("exit %s expelled", name),
	}
}

// office is a network and its members, who know each other.
type office struct {
	*lan
	network *identity.Network
	who     map[string]*identity.Identity
	actors  map[string]*actor
	dir     string // of the network
	prepare func(*Node)
}

func newOffice(t *testing.T, names ...string) *office {
	return newOfficeWith(t, func(*Node) {}, names...)
}

func newOfficeWith(t *testing.T, prepare func(*Node), names ...string) *office {
	dir := t.TempDir()
	network, err := identity.OpenNetwork(dir)
	if err != nil {
		t.Fatal(err)
	}
	o := &office{lan: newLAN(t), network: network, dir: dir, prepare: prepare, who: map[string]*identity.Identity{}, actors: map[string]*actor{}}
	for _, name := range names {
		invite, err := network.Invite(name, "", uuid.Nil, 30)
		if err == nil {
			o.who[name], err = identity.JoinAt(t.TempDir(), invite)
		}
		if err != nil {
			t.Fatal(err)
		}
		o.start(name)
	}
	time.Sleep(5 * time.Second)
	for _, a := range o.actors {
		a.lines()
	}
	return o
}

func (o *office) start(name string) *actor {
	o.t.Helper()
	who, err := identity.Load(o.who[name].Directory())
	if err != nil {
		o.t.Fatal(err)
	}
	a := o.node("", func(n *Node) { _ = n.SetIdentity(who) }, o.prepare)
	o.who[name], o.actors[name] = who, a
	o.t.Cleanup(func() { _ = a.Stop() })
	return a
}

// lines returns the events up to now.
func (a *actor) lines() (lines []string) {
	for {
		line := a.next(time.Millisecond)
		if line == context.DeadlineExceeded.Error() {
			return lines
		}
		lines = append(lines, line)
	}
}

// TestRollSpreads revokes one of four. One of the others is given the roll: within a second
// the rest have it, nobody lets the fourth in, each side is told the true reason, and a node
// that starts again has not forgotten.
func TestRollSpreads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, "ana", "ben", "cleo", "dora")
		ana, ben, dora := o.actors["ana"], o.actors["ben"], o.actors["dora"]
		start := time.Now()
		holders, err := ana.Spread(t.Context(), revoke(t, o.network, "dora"), 3)
		ana.must(err)
		want := []string{ana.UUID().String(), ben.UUID().String(), o.who["cleo"].UUID().String()}
		if slices.Sort(want); !slices.Equal(holders, want) || time.Since(start) > time.Second {
			t.Errorf("after %v %q have it, want %q", time.Since(start), holders, want)
		}
		for _, name := range []string{"ana", "ben", "cleo"} {
			o.actors[name].wants(revokes("dora", dora.UUID())...)
			o.actors[name].idle(time.Second)
		}
		got := dora.lines()
		for _, name := range []string{"ana", "ben", "cleo"} {
			for _, want := range []string{"refused " + name + " " + api.EventRefusalRevoked.Text(), "exit " + name + " refused"} {
				if !slices.Contains(got, want) {
					t.Errorf("dora is told %q, want %q", got, want)
				}
			}
		}
		ben.must(ben.Stop())
		ben = o.start("ben")
		time.Sleep(3 * time.Second)
		for _, line := range ben.lines() {
			if strings.HasPrefix(line, "enter dora") {
				t.Errorf("ben, started again, is told %q", line)
			}
		}
		if peers := ben.Peers(); len(peers) != 2 {
			t.Errorf("ben, started again, knows %d", len(peers))
		}
	})
}

// TestManyChanges changes a network more often in a second than a peer may ask in vain:
// each change reaches all members at once, by whomever of them it is told first.
func TestManyChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, "ana", "ben", "cleo", "dora")
		for i := range 3 * zremsg.MaxRolls {
			from := o.actors[[]string{"ana", "ben", "cleo"}[i%3]]
			_, err := o.network.Invite(fmt.Sprintf("sensor-%d", i), "", uuid.Nil, 30)
			from.must(err)
			start := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			holders, err := from.Spread(ctx, rollOf(t, o.network), 4)
			cancel()
			if from.must(err); len(holders) != 4 {
				t.Fatalf("after %v %d have the change number %d, by %s", time.Since(start), len(holders), i, from.Name())
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if holders, _ := o.actors["ana"].Spread(ctx, revoke(t, o.network, "dora"), 3); len(holders) != 3 {
			t.Errorf("%d know that dora is revoked", len(holders))
		}
		for _, name := range []string{"ana", "ben", "cleo"} {
			o.actors[name].has("exit dora expelled", time.Second)
			for what := range o.actors[name].Counts() {
				if strings.HasPrefix(what, "rolls") {
					t.Errorf("%s counts %s", name, what)
				}
			}
		}
	})
}

// TestRemind has a member that has given up to ask for a roll: whoever spreads it again
// tells it so.
func TestRemind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, "ana", "ben")
		ana, ben := o.actors["ana"], o.actors["ben"]
		ana.must(ana.while(func(l *loop) { // so that the first answer is none
			h := l.member(ben.UUID())
			h.answered.Use(zremsg.MaxAnswered, time.Now(), zremsg.MaxAnswered, answeredRate)
		}))
		_, err := o.network.Invite("sensor", "", uuid.Nil, 30)
		ana.must(err)
		roll := rollOf(t, o.network)
		parsed, err := identity.RollIn(roll)
		ana.must(err)
		ana.must(ana.while(func(l *loop) { l.member(ben.UUID()).given = parsed.Rank() }))
		spread := func() int {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			holders, err := ana.Spread(ctx, roll, 2)
			ana.must(err)
			return len(holders)
		}
		if n := spread(); n != 1 {
			t.Fatalf("%d have it: this test shows nothing", n)
		}
		time.Sleep(3 * askedLife)
		if n := spread(); n != 2 {
			t.Errorf("%d have it", n)
		}
	})
}

// part cuts others off from some, or heals that.
func (o *office) part(on bool, one, other []string) {
	for _, a := range one {
		for _, b := range other {
			o.memory.Partition(o.actors[a].host, o.actors[b].host, on)
		}
	}
	half := func(host string) bool {
		return slices.ContainsFunc(other, func(name string) bool { return o.actors[name].host == host })
	}
	o.hub.Cut(nil)
	if on {
		o.hub.Cut(func(from, to string) bool { return half(from) != half(to) })
	}
}

// has waits for an event of a node that begins so, and tells after how long it came.
func (a *actor) has(prefix string, within time.Duration) time.Duration {
	a.lan.t.Helper()
	for start := time.Now(); ; {
		line := a.next(within - time.Since(start))
		switch {
		case strings.HasPrefix(line, prefix):
			return time.Since(start)
		case time.Since(start) >= within:
			a.lan.t.Fatalf("%s is not told %q", a.Name(), prefix)
		}
	}
}

// TestRollAcrossPartition revokes dora while she and cleo are cut off from the others.
// Until that ends cleo talks with her, though other members have expired; when it ends cleo
// hears of it from whom it meets first, and lets her in no more.
func TestRollAcrossPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, "ana", "ben", "cleo", "dora")
		one, other := []string{"ana", "ben"}, []string{"cleo", "dora"}
		ana, ben, cleo, dora := o.actors["ana"], o.actors["ben"], o.actors["cleo"], o.actors["dora"]
		o.part(true, one, other)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		holders, err := ana.Spread(ctx, revoke(t, o.network, "dora"), 3)
		if want := sortedIDs(ana, ben); err != nil || !slices.Equal(holders, want) {
			t.Errorf("%q have it, %v, want %q", holders, err, want)
		}
		time.Sleep(10 * time.Minute)
		if cleo.lines(); len(cleo.Peers()) != 1 {
			t.Errorf("cleo knows %d", len(cleo.Peers()))
		}
		dora.lines()
		cleo.talk(dora)
		dora.talk(cleo)
		o.part(false, one, other)
		if took := cleo.has("exit dora expelled", time.Minute); took > 30*time.Second {
			t.Errorf("cleo lets dora in for %v", took)
		}
		dora.has("exit cleo refused", time.Second)
		time.Sleep(time.Minute)
		if p := dora.Peers(); len(p) != 0 {
			t.Errorf("dora knows %d", len(p))
		}
		for _, a := range []*actor{ana, ben, cleo} {
			if p := a.Peers(); len(p) != 2 {
				t.Errorf("%s knows %d", a.Name(), len(p))
			}
		}
	})
}

func sortedIDs(actors ...*actor) (ids []string) {
	for _, a := range actors {
		ids = append(ids, a.UUID().String())
	}
	slices.Sort(ids)
	return ids
}

// TestRenewed renews the membership of a member that runs, and gives it another name. It
// takes both from whom it meets, others see the name at once, and it keeps both.
func TestRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, "ana", "ben", "cleo")
		ana, ben, cleo := o.actors["ana"], o.actors["ben"], o.actors["cleo"]
		until := o.who["ben"].MemberUntil()
		_, err := o.network.InviteAgain("ben", 300)
		ana.must(err)
		ana.must(o.network.Rename("ben", "bob"))
		_, err = ana.Spread(t.Context(), rollOf(t, o.network), 3)
		ana.must(err)
		renamed := fmt.Sprintf("network the network calls %q (%s) %q now", "ben", ben.UUID(), "bob")
		ana.wants(renamed)
		ben.has("network the network has renewed the membership of this node: as \"bob\", until ", time.Second)
		cleo.wants(renamed)
		time.Sleep(3 * time.Second)
		for _, a := range []*actor{ana, cleo} {
			p, err := a.Peer(ben.UUID())
			if a.must(err); p.Name() != "bob" {
				t.Errorf("%s knows ben as %q", a.Name(), p.Name())
			}
			a.idle(time.Minute)
		}
		if ben.Name() != "bob" {
			t.Errorf("ben is %q", ben.Name())
		}
		ben.must(ben.Stop())
		ana.wants("exit bob left")
		ben = o.start("ben")
		ana.wants("enter bob")
		if got := o.who["ben"]; ben.Name() != "bob" || !got.MemberUntil().After(until) {
			t.Errorf("ben starts again as %q, until %v", ben.Name(), got.MemberUntil())
		}
		time.Sleep(3 * time.Second)
		ben.lines()
		ana.talk(ben)
		ben.talk(ana)
	})
}

// TestBackAfterExpiry starts a member whose membership has run out while it was away, and
// was renewed there: the others let it in, and it takes the renewal.
func TestBackAfterExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, "ana", "ben")
		ana, ben := o.actors["ana"], o.actors["ben"]
		ben.must(ben.Stop())
		ana.must(ana.Stop())
		time.Sleep(31 * 24 * time.Hour)
		for _, name := range []string{"ana", "ben"} {
			_, err := o.network.InviteAgain(name, 90)
			ana.must(err)
		}
		ana.must(o.who["ana"].Adopt(rollOf(t, o.network)))
		if until := o.who["ben"].MemberUntil(); time.Now().Before(until) {
			t.Fatalf("ben is a member until %v", until)
		}
		ana, ben = o.start("ana"), o.start("ben")
		ana.has("enter ben", time.Minute)
		ben.has("network the network has renewed the membership of this node", time.Minute)
		ben.lines()
		ana.talk(ben)
	})
}

// says has a node say something to another by hand.
func (a *actor) says(to *actor, m zremsg.Message, times int) {
	a.lan.t.Helper()
	a.must(a.while(func(l *loop) {
		for range times {
			l.say(to.UUID(), m)
		}
	}))
	time.Sleep(100 * time.Millisecond)
}

// TestRollLies has members say that they have a later roll, which they never bring. Others
// are asked meanwhile, and if all who are asked at a time lie, within two minutes.
func TestRollLies(t *testing.T) {
	for liars := 1; liars <= zremsg.MaxAsked; liars++ {
		synctest.Test(t, func(t *testing.T) {
			o := newOffice(t, "ana", "ben", "eve", "eva")
			ana, ben := o.actors["ana"], o.actors["ben"]
			for _, liar := range []string{"eve", "eva"}[:liars] {
				o.actors[liar].says(ana, &zremsg.Holds{Moves: 9, Number: 1<<64 - 1, Digest: make([]byte, 32)}, 1)
			}
			ben.must(o.who["ben"].Adopt(rollOf(t, o.network)))
			took := ana.has("network the network has a new roll", 2*time.Minute)
			if liars < zremsg.MaxAsked && took > 2*glances {
				t.Errorf("it took %v", took)
			}
			if n := ana.Counts()["rolls that were not brought"]; liars == zremsg.MaxAsked && n == 0 {
				t.Errorf("counts: %v", ana.Counts())
			}
		})
	}
}

// TestRollsOfNobody has a member, and somebody who is none, say what they like: it is
// counted, nothing is kept, and no more is answered than there may be.
func TestRollsOfNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, "ana", "eve")
		ana, eve := o.actors["ana"], o.actors["eve"]
		other, err := identity.OpenNetwork(t.TempDir())
		ana.must(err)
		foreign, err := identity.RollIn(revokeAnybody(t, other))
		ana.must(err)
		roll := rollOf(t, o.network)
		ana.must(o.who["ana"].Adopt(roll))
		time.Sleep(2 * time.Second)
		eve.must(os.Remove(filepath.Join(o.who["eve"].Directory(), "roll")))
		kept := roll + "\n"
		for name, m := range map[string]zremsg.Message{
			"a roll of another network": &zremsg.Roll{Roll: foreign.Octets()},
			"no roll":                   &zremsg.Roll{Roll: []byte("rubbish")},
			"a digest too short":        &zremsg.Holds{Number: 1, Digest: []byte("short")},
		} {
			eve.says(ana, m, 20)
			eve.says(ana, &zremsg.Roll{Roll: make([]byte, zremsg.MaxRollRoll)}, 2)
			text, err := os.ReadFile(filepath.Join(o.who["ana"].Directory(), "roll"))
			if ana.must(err); string(text) != kept {
				t.Errorf("after %s ana keeps %.40q", name, text)
			}
			time.Sleep(5 * time.Minute)
		}
		counts := ana.Counts()
		if counts["rolls that are not right"] != 2*zremsg.MaxRolls+2 || counts["rolls that nobody wants"] != 2*(22-zremsg.MaxRolls) ||
			counts["messages that are malformed"] != 20 {
			t.Errorf("counts: %v", counts)
		}
		before := ana.Counts()["rolls asked for too often"]
		eve.says(ana, &zremsg.Ask{}, 50)
		if n := ana.Counts()["rolls asked for too often"] - before; n != 50-zremsg.MaxAnswered {
			t.Errorf("%d were not answered", n)
		}
		ana.lines()
		eve.lines()
		ana.talk(eve)
	})
}

func revokeAnybody(t *testing.T, network *identity.Network) string {
	t.Helper()
	if err := network.Revoke("5c0e9b4e-3c1f-8a4e-8a8f-0d5f6a3f9f0e"); err != nil {
		t.Fatal(err)
	}
	return rollOf(t, network)
}

// TestRollsBetweenStrangers: nodes of two networks, and one of none, that talk with each
// other say nothing of rolls, and take nothing that is said.
func TestRollsBetweenStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		open := func(n *Node) { _, _ = n.SetTrust(api.NodeTrustOpen), n.SetSecurity(api.NodeSecurityAuto) }
		network, err := identity.OpenNetwork(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		ana, eve := l.node("", member(t, network, "ana"), open), l.node("eve")
		defer ana.Stop()
		defer eve.Stop()
		time.Sleep(5 * time.Second)
		for _, pair := range [][2]*actor{{ana, eve}, {eve, ana}} {
			from, to := pair[0], pair[1]
			from.says(to, &zremsg.Holds{Number: 1, Digest: make([]byte, 32)}, 3)
			from.says(to, &zremsg.Ask{}, 3)
			from.says(to, &zremsg.Roll{Roll: []byte("rubbish")}, 3)
			if counts := to.Counts(); counts["words about a roll that mean nothing"] != 6 || counts["rolls that nobody wants"] != 3 {
				t.Errorf("counts: %v", counts)
			}
			from.lines()
			to.lines()
			from.talk(to)
		}
	})
}

// TestTwoKeys uses a network's key in two places: a copy that knows nothing of a revocation
// makes a later roll. Members who know better do not take it, say so, and show whoever
// brings it what they have; taken in there, what comes of both counts for all.
func TestTwoKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, "ana", "ben", "cleo", "dora")
		ana := o.actors["ana"]
		backup, err := o.network.Backup()
		ana.must(err)
		copied, err := identity.RestoreNetwork(t.TempDir(), backup)
		ana.must(err)
		_, err = ana.Spread(t.Context(), revoke(t, o.network, "dora"), 3)
		ana.must(err)
		time.Sleep(time.Second)
		for _, a := range o.actors {
			a.lines()
		}

		revoke(t, copied, "cleo")
		ana.must(copied.Rename("ben", "bob"))
		stale := rollOf(t, copied) // with a higher number
		who, err := copied.Courier()
		ana.must(err)
		courier := o.node("", func(n *Node) { _ = n.SetIdentity(who) })
		defer courier.Stop()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		holders, err := courier.Spread(ctx, stale, 2)
		for _, a := range []*actor{ana, o.actors["ben"]} { // dora may: she knows no better
			if err != nil || slices.Contains(holders, a.UUID().String()) {
				t.Fatalf("%q take it, %v", holders, err)
			}
		}
		ana.has("network the roll that "+who.UUID().String()+" has shown does not count: two rolls", time.Second)
		for _, other := range courier.Rolls() {
			ana.must(copied.Adopt(other))
		}
		holders, err = courier.Spread(t.Context(), rollOf(t, copied), 2)
		if want := sortedIDs(ana, o.actors["ben"]); err != nil || !slices.Equal(holders, want) {
			t.Fatalf("%q have it, want %q, %v", holders, want, err)
		}
		ana.has("exit cleo expelled", time.Second)
		time.Sleep(time.Second)
		if p, err := ana.Peer(o.actors["ben"].UUID()); err != nil || p.Name() != "bob" {
			t.Errorf("ben is %+v, %v", p, err)
		}
	})
}

// TestNetworkMoves gives a network a new key, while a member is cut off. Each follows when
// it hears of it, and nobody has to be started again. Who was revoked is left behind. Then
// who has the old key moves it too: nobody follows, and it is told.
func TestNetworkMoves(t *testing.T) {
	for _, security := range []api.NodeSecurity{api.NodeSecuritySecure, api.NodeSecurityAuto} {
		t.Run(security.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOfficeWith(t, with(security), "ana", "ben", "cleo", "dora")
				ana, ben, cleo, dora := o.actors["ana"], o.actors["ben"], o.actors["cleo"], o.actors["dora"]
				old := t.TempDir() // of who has stolen the key
				backup, err := o.network.Backup()
				ana.must(err)
				_, err = identity.RestoreNetwork(old, backup)
				ana.must(err)
				revoke(t, o.network, "dora")
				moved, err := identity.MoveNetwork(t.TempDir(), o.dir)
				ana.must(err)
				if err := o.network.Revoke("ana"); err == nil {
					t.Error("the old directory still revokes")
				}
				if _, err := identity.MoveNetwork(t.TempDir(), o.dir); err == nil {
					t.Error("the old directory moves again")
				}
				one, other := []string{"ana", "ben", "dora"}, []string{"cleo"}
				o.part(true, one, other)
				spread(t, o.lan, moved, security, ana, ben)
				ana.has("network the network has another key now", time.Second)
				ana.has("exit dora expelled", 10*time.Second)
				dora.has("refused ana", time.Minute)
				ana.has("exit cleo expired", time.Minute)
				time.Sleep(10 * time.Minute)
				o.part(false, one, other)
				cleo.has("network the network has another key now", time.Minute)
				time.Sleep(10 * time.Second)
				for _, a := range []*actor{ana, ben, cleo} {
					if peers := a.Peers(); len(peers) != 2 || a.guard.Identity.Network() != moved.PublicKey() {
						t.Errorf("%s knows %d, in %s", a.Name(), len(peers), a.guard.Identity.Network())
					}
					a.lines()
				}

				stolen, err := identity.MoveNetwork(t.TempDir(), old)
				ana.must(err)
				who, err := stolen.Courier()
				ana.must(err)
				courier := o.node("", func(n *Node) { _ = n.SetIdentity(who) }, with(security))
				defer courier.Stop()
				alarms := []string{guard.NotLetIn(fmt.Errorf("%w: %w", identity.ErrMember, identity.ErrMoved)).Error(), api.EventRefusalMoved.Text()}
				for _, a := range []*actor{ana, ben, cleo} {
					line := a.next(time.Minute)
					if !slices.ContainsFunc(alarms, func(alarm string) bool { return strings.HasSuffix(line, alarm) }) {
						t.Errorf("%s is told %q", a.Name(), line)
					}
				}
				cleo.must(cleo.Stop())
				cleo = o.start("cleo")
				ana.has("enter cleo", time.Minute)
				time.Sleep(10 * time.Second) // until ben has come, too
				ana.lines()
				cleo.lines()
				ana.talk(cleo)
			})
		})
	}
}

// spread passes a network's roll on to members.
func spread(t *testing.T, l *lan, network *identity.Network, security api.NodeSecurity, to ...*actor) {
	t.Helper()
	who, err := network.Courier()
	if err != nil {
		t.Fatal(err)
	}
	courier := l.node("", func(n *Node) { _ = n.SetIdentity(who) }, with(security))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	holders, err := courier.Spread(ctx, rollOf(t, network), len(to))
	if want := sortedIDs(to...); err != nil || !slices.Equal(holders, want) {
		t.Errorf("%q have it, want %q, %v", holders, want, err)
	}
	courier.must(courier.Stop())
}

// TestRevokedWhileItIsMet revokes a member whose greeting counts already, and that has yet to
// take ours: it does not stay.
func TestRevokedWhileItIsMet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOfficeWith(t, with(api.NodeSecurityAuto), "ana", "dora")
		ana := o.actors["ana"]
		ana.must(o.actors["dora"].Stop())
		ana.has("exit dora left", time.Second)
		o.memory.Rate(func(from, _ string) int { // so that her words are long on their way
			if from == ana.host {
				return 2000
			}
			return 0
		})
		dora := o.start("dora")
		half := func() (half bool) {
			ana.loop.do(func() {
				t := ana.loop.of(dora.UUID()).talk
				half = t != nil && t.in != nil && !t.known.Load()
			})
			return half
		}
		for range 1000 {
			if half() {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if !half() {
			t.Fatal("ana does not wait for dora")
		}
		_, err := ana.Spread(t.Context(), revoke(t, o.network, "dora"), 0)
		ana.must(err)
		ana.has("exit dora expelled", 10*time.Second)
		time.Sleep(10 * time.Second)
		if peers := ana.Peers(); len(peers) > 0 {
			t.Errorf("ana knows %d", len(peers))
		}
	})
}

// TestRevokedInTheOpen revokes a member at a node that lets in anybody: they go on to talk,
// and the other has no roles any more.
func TestRevokedInTheOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		network, err := identity.OpenNetwork(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		open := func(n *Node) { _, _ = n.SetTrust(api.NodeTrustOpen), n.SetSecurity(api.NodeSecurityAuto) }
		ana, ben := l.node("ana", member(t, network, "ana"), open), l.node("ben", member(t, network, "ben"), open)
		defer ana.Stop()
		defer ben.Stop()
		time.Sleep(3 * time.Second)
		roles := func() []string {
			p, err := ana.Peer(ben.UUID())
			ana.must(err)
			return p.Roles()
		}
		if got := roles(); len(got) != 1 {
			t.Fatalf("ben has the roles %q", got)
		}
		ana.must(ana.guard.Identity.Adopt(revoke(t, network, ben.UUID().String())))
		ana.has("network the network has revoked the membership of ", 2*glances)
		time.Sleep(time.Second)
		if got := roles(); len(got) != 0 {
			t.Errorf("ben has the roles %q", got)
		}
		ben.lines()
		ana.talk(ben)
		ben.talk(ana)
	})
}

// TestManyMoves has a member that was away for as many moves as there may be.
func TestManyMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		network, err := identity.OpenNetwork(dir)
		if err != nil {
			t.Fatal(err)
		}
		first := member(t, network, "first")
		for range 8 {
			next := t.TempDir()
			if network, err = identity.MoveNetwork(next, dir); err != nil {
				t.Fatal(err)
			}
			dir = next
		}
		if _, err := identity.MoveNetwork(t.TempDir(), dir); err == nil {
			t.Error("it moves a ninth time")
		}
		l := newLAN(t)
		who, err := network.Courier()
		if err != nil {
			t.Fatal(err)
		}
		ana, courier := l.node("", first), l.node("", func(n *Node) { _ = n.SetIdentity(who) })
		defer ana.Stop()
		defer courier.Stop()
		ana.has("network the network has another key now", time.Minute)
		time.Sleep(time.Second)
		if got := ana.guard.Identity.Network(); got != network.PublicKey() {
			t.Errorf("ana is in %s", got)
		}
	})
}
