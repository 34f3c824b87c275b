package node

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/onceask"
	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/rendezvous"
)

// club is a network whose members find each other by a server alone.
type club struct {
	*office
	at  *rendezvousScene
	tap wiretap
}

func newClub(t *testing.T, security api.NodeSecurity, names ...string) *club {
	c := &club{at: newRendezvous(t)}
	t.Cleanup(func() { c.at.server.Close() })
	c.office = newOfficeWith(t, func(n *Node) {
		for _, do := range []func(*Node){alone, in("room"), with(security), c.tap.on} {
			do(n)
		}
	})
	c.office.lan = c.at.lan
	if err := c.network.SetServer(c.at.address().String()); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		c.admit(name)
	}
	time.Sleep(time.Minute)
	for _, a := range c.actors {
		if len(a.Peers()) != len(names)-1 {
			t.Fatalf("%s sees %d", a.Name(), len(a.Peers()))
		}
		a.lines()
	}
	return c
}

// admit has one become a member, and its node start.
func (o *office) admit(name string) *actor {
	o.t.Helper()
	invite, err := o.network.Invite(name, "", uuid.Nil, 30)
	if err == nil {
		o.who[name], err = identity.JoinAt(o.t.TempDir(), invite)
	}
	if err != nil {
		o.t.Fatal(err)
	}
	return o.start(name)
}

// informs has the network's owner, who is a member, too, know what it says.
func (o *office) informs(who *identity.Identity) {
	o.t.Helper()
	if _, err := o.network.Inform(who.Directory()); err != nil {
		o.t.Fatal(err)
	}
}

// address returns the one that the network has.
func (o *office) address() rendezvous.Address {
	o.t.Helper()
	list, err := o.network.Servers()
	if err != nil || len(list) != 1 {
		o.t.Fatalf("the network has %d servers, %v", len(list), err)
	}
	a, err := rendezvous.ParseAddress(list[0])
	if err != nil {
		o.t.Fatal(err)
	}
	return a
}

// there returns how many the server knows of under a SECRET.
func (c *club) there(secret rendezvous.Secret) int {
	c.t.Helper()
	roll, err := identity.RollIn(rollOf(c.t, c.network))
	if err != nil {
		c.t.Fatal(err)
	}
	keys := rendezvous.KeysOf(secret, c.at.own.Card().Identity, roll.Network)
	all, _ := c.at.registry.Size(keys.Number, keys.Whole())
	return all
}

// spread has a node of the network's owner bring the roll to so many, from wherever it is.
func (c *club) spread(who *identity.Identity, err error, members int) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
	a := c.node("", func(n *Node) { _ = n.SetIdentity(who) }, alone)
	ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Second)
	defer cancel()
	holders, err := a.Spread(ctx, rollOf(c.t, c.network), members)
	a.must(err)
	a.Stop()
	if len(holders) != members {
		c.t.Errorf("%d have the roll, want %d", len(holders), members)
	}
}

const (
	lease = oncemsg.MaxLease * time.Millisecond
	anew  = "network the network has a new secret at its servers"
)

// leaks fails if octets that passed have a SECRET.
func (w *wiretap) leaks(t *testing.T, secret rendezvous.Secret) {
	t.Helper()
	all := w.all()
	for _, text := range [][]byte{secret[:], []byte(identity.Base64(secret[:]))} {
		if bytes.Contains(all, text) {
			t.Error("a SECRET is in the clear")
		}
	}
}

// TestNewSecret revokes one of three whom a server alone has brought together. The two others
// have a new SECRET at once, and go on talking; under the old one there is nobody when a lease
// is over. One that starts again meets the other under the new one.
func TestNewSecret(t *testing.T) {
	for _, security := range []api.NodeSecurity{api.NodeSecurityAuto, api.NodeSecuritySecure} {
		synctest.Test(t, func(t *testing.T) {
			c := newClub(t, security, "ana", "ben", "cleo")
			ana, ben, cleo := c.actors["ana"], c.actors["ben"], c.actors["cleo"]
			old := c.address().Secret
			if n := c.there(old); n != 3 {
				t.Fatalf("%d are there", n)
			}
			revoke(t, c.network, "cleo")
			secret := c.address().Secret
			if secret == old {
				t.Fatal("the SECRET is as it was")
			}
			c.informs(c.who["ana"]) // who has the network's directory, too
			if took := ana.has(anew, time.Minute); took > 2*glances {
				t.Errorf("ana enters after %v", took)
			}
			if took := ben.has(anew, time.Minute); took > time.Second {
				t.Errorf("ben enters after %v", took)
			}
			time.Sleep(5 * time.Second)
			if n := c.there(secret); n != 2 {
				t.Errorf("%d are there under the new SECRET", n)
			}
			time.Sleep(lease)
			if n := c.there(old); n != 0 {
				t.Errorf("%d are there under the old SECRET", n)
			}
			cleo.Stop()
			cleo = c.start("cleo")
			time.Sleep(time.Minute)
			if known := cleo.Known(); len(known) > 0 || len(cleo.Peers()) > 0 {
				t.Errorf("cleo, started again, sees %v", known)
			}
			time.Sleep(2 * lease)
			for _, a := range []*actor{ana, ben} {
				for _, line := range a.lines() {
					if strings.HasPrefix(line, "exit") && line != "exit cleo expelled" || strings.HasPrefix(line, "suspect") {
						t.Errorf("%s is told %q", a.Name(), line)
					}
				}
			}
			ana.talk(ben)
			ben.must(ben.Stop())
			ana.wants("exit ben left")
			c.start("ben")
			ana.wants("enter ben", "join ben room")
			if n := c.there(old); n != 0 {
				t.Errorf("%d are there under the old SECRET after a start", n)
			}
			c.tap.leaks(t, secret)
		})
	}
}

// TestSecretAgain revokes one after the other: each time who is told, and who hears of it, go by
// the SECRET that is the latest.
func TestSecretAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClub(t, api.NodeSecurityAuto, "ana", "ben", "cleo", "dora", "eve")
		ana, ben := c.actors["ana"], c.actors["ben"]
		var old []rendezvous.Secret
		for i, name := range []string{"cleo", "dora", "eve"} {
			old = append(old, c.address().Secret)
			revoke(t, c.network, name)
			c.informs(c.who["ana"])
			ana.has(anew, 2*glances)
			ben.has(anew, 2*glances)
			if time.Sleep(time.Duration(i)*lease + 5*time.Second); c.there(c.address().Secret) != 4-i {
				t.Errorf("without %s %d are there", name, c.there(c.address().Secret))
			}
		}
		time.Sleep(lease)
		for _, secret := range old {
			if n := c.there(secret); n != 0 {
				t.Errorf("%d are there under an old SECRET", n)
			}
		}
		ana.talk(ben)
	})
}

// TestSecretByCourier has the network's owner, who is on no LAN of a member, bring the new SECRET:
// as nobody to one that is there, as a member to one that comes back later, and by an invite.
func TestSecretByCourier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClub(t, api.NodeSecuritySecure, "ana", "ben", "cleo", "dora", "olga")
		ana, old := c.actors["ana"], c.address().Secret
		for _, name := range []string{"ben", "dora", "olga"} {
			c.actors[name].must(c.actors[name].Stop())
		}
		revoke(t, c.network, "cleo")
		secret := c.address().Secret
		who, err := c.network.Courier()
		c.spread(who, err, 1)
		ana.has(anew, time.Second)
		time.Sleep(2 * lease)
		if n := c.there(old); n != 0 {
			t.Errorf("%d are there under the old SECRET", n)
		}
		ana.lines()

		ben, dora := c.start("ben"), c.start("dora")
		time.Sleep(2 * time.Minute)
		if len(ana.lines()) > 0 || c.there(old) != 2 {
			t.Error("those who were away meet ana, or are not there under the old SECRET")
		}
		dora.must(dora.Stop())
		who, err = c.network.Inform(c.who["olga"].Directory())
		c.spread(who, err, 3)
		ben.has(anew, time.Second)
		ana.has("enter ben", time.Minute)

		time.Sleep(2 * lease) // then ben is not there under the old SECRET to bring dora the new one
		dora = c.start("dora")
		time.Sleep(time.Minute)
		if len(dora.Peers()) > 0 {
			t.Error("dora meets others without an invite")
		}
		invite, err := c.network.InviteAgain("dora", 30)
		dora.must(err)
		_, err = identity.JoinAt(c.who["dora"].Directory(), invite)
		dora.must(err)
		dora.has(anew, 2*glances)
		ana.has("enter dora", time.Minute)
		time.Sleep(2 * lease)
		if n := c.there(old); n != 0 || c.there(secret) != 3 {
			t.Errorf("%d are there under the old SECRET, %d under the new", n, c.there(secret))
		}
	})
}

// TestGivenAddress has a member stay with a server by an address that it was given itself: when
// the network replaces its SECRET that counts no more, in the next life either. Another address
// that it was given still does.
func TestGivenAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClub(t, api.NodeSecuritySecure, "ana", "ben", "cleo")
		old, other := c.address(), c.address()
		other.Secret[0]++
		c.prepare = func(n *Node) {
			alone(n)
			in("room")(n)
			for _, a := range []rendezvous.Address{old, other} {
				if err := n.SetServer(a.String()); err != nil {
					t.Fatal(err)
				}
			}
		}
		ben := c.actors["ben"]
		ben.must(ben.Stop())
		ben = c.start("ben")
		time.Sleep(time.Minute)
		revoke(t, c.network, "cleo")
		c.informs(c.who["ana"])
		const replaced = "network the address of " + hostOfServer + ":5671 that this node was given has a secret that the network has replaced"
		ben.has(replaced, time.Minute)
		ben.has(anew, time.Second)
		for range 2 {
			time.Sleep(2 * lease)
			if was, is, too := c.there(old.Secret), c.there(c.address().Secret), c.there(other.Secret); was != 0 || is != 2 || too != 1 {
				t.Errorf("%d, %d and %d are there under the old SECRET, the new, and another", was, is, too)
			}
			ben.must(ben.Stop())
			ben = c.start("ben")
			ben.has(replaced, time.Minute)
		}
	})
}

// An address of a server that is not there.
const publicServer = "once://10.9.9.9/?key=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"

var oldServer = publicServer + "#" + identity.Base64(bytes.Repeat([]byte{7}, 32))

// TestSecretOnTheLAN has members bring each other the addresses over a LAN, where links are
// plain: what is said is sealed. A node that stays with no server tells others, and one that
// has had none takes note.
func TestSecretOnTheLAN(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tap := new(wiretap)
		o := newOfficeWith(t, func(n *Node) { with(api.NodeSecurityAuto)(n); tap.on(n); _ = n.SetServer(noServer) }, "ana", "ben", "cleo", "dora")
		ana, ben := o.actors["ana"], o.actors["ben"]
		if err := o.network.SetServer(oldServer); err != nil {
			t.Fatal(err)
		}
		holds := func(names ...string) {
			t.Helper()
			for _, name := range names {
				list, err := o.who[name].Servers()
				if want, fault := o.network.Servers(); err != nil || fault != nil || !slices.Equal(list, want) {
					t.Errorf("%s has other addresses: %v, %v", name, err, fault)
				}
			}
		}
		eve := o.admit("eve") // by an invite that brings the address
		time.Sleep(5 * time.Second)
		roll := rollOf(t, o.network)
		_, err := ana.Spread(t.Context(), roll, 5)
		ana.must(err)
		time.Sleep(time.Second)
		holds("ana", "ben", "cleo", "dora", "eve")
		for _, gone := range []string{"cleo", "dora"} {
			roll = revoke(t, o.network, gone)
			o.informs(o.who["eve"])
			time.Sleep(3 * time.Second)
			holds("ana", "ben", "eve")
		}
		for name, a := range map[string]*actor{"ana": ana, "ben": ben, "eve": eve} {
			for what := range a.Counts() {
				if strings.HasPrefix(what, "servers") {
					t.Errorf("%s counts %s", name, what)
				}
			}
		}
		if list, _ := o.who["cleo"].Servers(); slices.Contains(list, o.address().String()) {
			t.Error("who was revoked has the new SECRET")
		}
		r, err := identity.RollIn(roll)
		if ana.must(err); !bytes.Contains(tap.all(), r.Vouched) {
			t.Error("the links are not plain, so nothing is proved")
		}
		tap.leaks(t, o.address().Secret)
	})
}

// TestManySecrets revokes more often in a second than a peer may ask in vain: each time all
// members have the addresses at once, by whomever of them they are told first.
func TestManySecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOfficeWith(t, func(n *Node) { _ = n.SetServer(noServer) }, "ana", "ben", "cleo", "dora")
		if err := o.network.SetServer(oldServer); err != nil {
			t.Fatal(err)
		}
		names := []string{"ana", "ben", "cleo", "dora"}
		for i := range 3 * zremsg.MaxRolls {
			revokeAnybody(t, o.network)
			from := names[i%len(names)]
			o.informs(o.who[from])
			time.Sleep(glances + time.Duration(i*7%100)*time.Millisecond)
			for _, name := range names {
				list, err := o.who[name].Servers()
				if o.actors[name].must(err); i%4 == 3 && !slices.Equal(list, []string{o.address().String()}) {
					t.Errorf("%s lacks the addresses after change %d, by %s", name, i, from)
				}
			}
		}
		for name, a := range o.actors {
			for what, n := range a.Counts() { // that an answer comes too late for a roll is no fault
				if strings.HasPrefix(what, "servers") && what != "servers that nobody wants" {
					t.Errorf("%s counts %s: %d", name, what, n)
				}
			}
		}
	})
}

// brings has a node say what the addresses of the network's servers are.
func (a *actor) brings(to *actor, times int, addresses ...string) {
	a.lan.t.Helper()
	m := new(onceask.Servers)
	to.loop.do(func() { m.Number = to.loop.roll.Number })
	for _, address := range addresses {
		m.Content = append(m.Content, []byte(address))
	}
	for range times {
		_, err := a.sender.Load().Exchange(a.lan.t.Context(), a.table.find(to.UUID()), m)
		a.must(err)
	}
	time.Sleep(100 * time.Millisecond)
}

// TestServersOfNobody has a node that is no member ask for the addresses of servers, and bring
// some.
func TestServersOfNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOfficeWith(t, func(n *Node) {
			_, _, _ = n.SetTrust(api.NodeTrustOpen), n.SetSecurity(api.NodeSecurityAuto), n.SetServer(noServer)
		})
		if err := o.network.SetServer(oldServer); err != nil {
			t.Fatal(err)
		}
		ana, anybody := o.admit("ana"), o.node("anybody", with(api.NodeSecurityAuto))
		defer anybody.Stop()
		time.Sleep(5 * time.Second)
		anybody.brings(ana, 3, oldServer)
		anybody.says(ana, &zremsg.AskServers{}, 3)
		if counts := ana.Counts(); counts["servers that nobody wants"] != 3 || counts[notHere] != 3 {
			t.Errorf("ana counts %v", counts)
		}
		ana.lines()
		anybody.lines()
		ana.talk(anybody)
	})
}

const notHere = "servers asked for that are not for who asks, or not here"

// TestServersOfLiars has members say what they like of the addresses of servers, also one who is
// about to be a member no more: it is counted, nothing is kept but what the roll vouches for, and
// no more is asked and answered than there may be.
func TestServersOfLiars(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOfficeWith(t, func(n *Node) { _, _ = n.SetSecurity(api.NodeSecurityAuto), n.SetServer(noServer) })
		if err := o.network.SetServer(oldServer); err != nil {
			t.Fatal(err)
		}
		ana, eve, dora := o.admit("ana"), o.admit("eve"), o.admit("dora")
		time.Sleep(5 * time.Second)
		eve.brings(ana, 3, oldServer)
		if n := ana.Counts()["servers that nobody wants"]; n != 3 {
			t.Errorf("unasked: %d are counted", n)
		}

		roll := revoke(t, o.network, "dora")
		latest, err := identity.RollIn(roll)
		ana.must(err)
		was := *o.who["ana"].Roll()
		ana.loop.do(func() { ana.loop.roll, ana.loop.hasServers = latest, true }) // and dora is not expelled yet
		ana.loop.giveServers(dora.UUID())
		ana.loop.do(func() { ana.loop.roll, ana.loop.hasServers = &was, false })
		if n := ana.Counts()[notHere]; n != 1 {
			t.Errorf("who was revoked asks, and %d are counted", n)
		}
		ana.must(o.who["ana"].Adopt(roll)) // and not what it vouches for
		time.Sleep(3 * time.Second)
		is, rank := o.address().String(), latest.Rank()
		claim := &zremsg.Holds{Moves: rank.Moves, Number: rank.Number, Digest: rank.Digest[:], Servers: 1}
		lies := [][]string{{oldServer}, {publicServer + "#" + identity.Base64(bytes.Repeat([]byte{8}, 32))}, {is, oldServer}, {"rubbish"}, slices.Repeat([]string{is}, 8)}
		for i := range zremsg.MaxRolls { // as often as eve is believed at once
			eve.says(ana, claim, 1)
			eve.brings(ana, 1, lies[i%len(lies)]...)
		}
		eve.says(ana, claim, 5)
		eve.brings(ana, 2, is)
		counts := ana.Counts()
		if counts["servers that are not right"] != zremsg.MaxRolls || counts["servers that nobody wants"] != 3+2 {
			t.Errorf("ana counts %v", counts)
		}
		if list, err := o.who["ana"].Servers(); err != nil || !slices.Equal(list, []string{oldServer}) {
			t.Errorf("ana keeps %v, %v", list, err)
		}
		if n := eve.Counts()[notHere]; n != zremsg.MaxRolls {
			t.Errorf("eve was asked %d times", n)
		}

		time.Sleep(time.Minute) // until eve may be asked again
		eve.says(ana, claim, 1)
		eve.brings(ana, 1, is)
		time.Sleep(3 * time.Second)
		if list, err := o.who["ana"].Servers(); err != nil || !slices.Equal(list, []string{is}) {
			t.Errorf("ana does not keep what the roll vouches for: %v", err)
		}
		eve.says(ana, &zremsg.AskServers{}, 50)
		if n := ana.Counts()["servers asked for too often"]; n != 50-zremsg.MaxServersAnswered+1 { // eve was brought them before
			t.Errorf("%d were not answered", n)
		}
		if list, err := o.who["eve"].Servers(); err != nil || !slices.Equal(list, []string{is}) {
			t.Errorf("eve has other addresses, %v", err)
		}
		if list, _ := o.who["dora"].Servers(); slices.Contains(list, is) {
			t.Error("who was revoked has the new SECRET")
		}
	})
}

// TestServersNotBrought has some say that they have the addresses, and bring none. Others are
// asked meanwhile, and if all who are asked at a time lie, within two minutes, or at once when they
// leave.
func TestServersNotBrought(t *testing.T) {
	for _, test := range []struct {
		liars  int
		leave  bool
		within time.Duration
	}{{zremsg.MaxAsked - 1, false, 3 * glances}, {zremsg.MaxAsked, false, 2*time.Minute + 2*glances}, {zremsg.MaxAsked, true, 4 * glances}} {
		synctest.Test(t, func(t *testing.T) {
			o := newOfficeWith(t, func(n *Node) { _ = n.SetServer(noServer) }, "ana", "ben", "cleo", "eve", "eva")
			if err := o.network.SetServer(oldServer); err != nil {
				t.Fatal(err)
			}
			ana := o.actors["ana"]
			roll := revoke(t, o.network, "cleo")
			_, err := ana.Spread(t.Context(), roll, 4)
			ana.must(err)
			r, err := identity.RollIn(roll)
			ana.must(err)
			rank := r.Rank()
			liars := []string{"eve", "eva"}[:test.liars]
			for _, liar := range liars {
				o.actors[liar].says(ana, &zremsg.Holds{Moves: rank.Moves, Number: rank.Number, Digest: rank.Digest[:], Servers: 1}, 1)
			}
			began := time.Now()
			o.informs(o.who["ben"])
			time.Sleep(2 * glances)
			for _, liar := range liars {
				if test.leave {
					_ = o.actors[liar].Stop()
				}
			}
			has := func() bool {
				list, err := o.who["ana"].Servers()
				ana.must(err)
				return len(list) > 0
			}
			for !has() && time.Since(began) < 5*time.Minute {
				time.Sleep(100 * time.Millisecond)
			}
			if took := time.Since(began); took > test.within {
				t.Errorf("with %d who lie it took %v", test.liars, took)
			}
			if n := ana.Counts()["servers that were not brought"]; (n > 0) != (test.within > time.Minute) {
				t.Errorf("counts: %v", ana.Counts())
			}
		})
	}
}
