package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/sight"
)

func with(security api.NodeSecurity) func(*Node) {
	return func(n *Node) { _ = n.SetSecurity(security) }
}

func in(groups ...string) func(*Node) {
	return func(n *Node) {
		for _, g := range groups {
			_ = n.Join(g)
		}
	}
}

// shouts expects a shout to reach so many.
func (a *actor) shouts(group, what string, receivers uint32) {
	a.lan.t.Helper()
	got, err := a.Shout(a.lan.t.Context(), group, text(what))
	if err != nil || got != receivers {
		a.lan.t.Fatalf("%s shouts %q to %d, %v; want %d", a.Name(), what, got, err, receivers)
	}
}

// protection returns what protects a peer.
func (a *actor) protection(of *actor) string {
	a.lan.t.Helper()
	p, err := a.Peer(of.UUID())
	a.must(err)
	return p.Protection().String()
}

func TestSealedAmongThoseWhoCan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		secret := func(n *Node) { _ = n.SetSealed("secret") }
		ana := l.node("ana", in("room", "secret"), secret)
		defer ana.Stop()
		ben := l.node("ben", in("room", "secret"), secret)
		defer ben.Stop()
		ana.wants("enter ben", "join ben room", "join ben secret")
		ben.wants("enter ana", "join ana room", "join ana secret")
		old := l.node("old", in("room", "secret"), with(api.NodeSecurityPlain))
		defer old.Stop()
		for _, a := range []*actor{ana, ben} {
			a.wants("enter old", "join old room", "join old secret")
		}
		for range 4 {
			old.next(time.Minute)
		}
		old.next(time.Minute)
		old.next(time.Minute)

		if s, p := ana.protection(ben), ana.protection(old); s != "sealed" || p != "plain" {
			t.Fatalf("ben is %s, old is %s", s, p)
		}
		for i := range 3 {
			ana.must(ana.Whisper(t.Context(), ben.UUID(), text(fmt.Sprint(i), "", "three")))
			ben.wants(fmt.Sprintf(`whisper ana "%d" "" "three"`, i))
			ana.must(ana.Whisper(t.Context(), old.UUID(), text("plain")))
			old.wants(`whisper ana "plain"`)
			ana.shouts("room", "hello", 2)
			ben.wants(`shout ana room "hello"`)
			old.wants(`shout ana room "hello"`)
			ana.shouts("secret", "psst", 1)
			ben.wants(`shout ana secret "psst"`)
		}
		old.shouts("room", "hi", 2)
		ana.wants(`shout old room "hi"`)
		ben.wants(`shout old room "hi"`)
		for range 3 { // both sides are told, once
			old.shouts("secret", "hi", 2)
		}
		for range 2 {
			if got := old.next(time.Second); got != "refused ana "+api.EventRefusalSealed.Text() && got != "refused ben "+api.EventRefusalSealed.Text() {
				t.Errorf("old got %q", got)
			}
		}
		for _, a := range []*actor{ana, ben} {
			a.wants(`refused old this node drops what it says to group "secret", where only what is sealed counts`)
			a.talk(old)
			old.talk(a)
			a.idle(time.Second)
		}
		old.idle(time.Second)
		if got := ana.Counts()["content that is not sealed"]; got != 3 {
			t.Fatalf("counts %v", ana.Counts())
		}
	})
}

func TestSecureConversation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		secure := with(api.NodeSecuritySecure)
		only := func(n *Node) { _ = n.SetSealed("room") }
		ana, ben := l.node("ana", secure, only, in("room")), l.node("ben", secure, only, in("room"))
		defer ana.Stop()
		defer ben.Stop()
		ana.wants("enter ben", "join ben room")
		ben.wants("enter ana", "join ana room")
		if got := ana.protection(ben); got != "curve" {
			t.Fatalf("ben is %s", got)
		}
		ana.must(ana.Whisper(t.Context(), ben.UUID(), text("one", "two")))
		ben.wants(`whisper ana "one" "two"`)
		ana.shouts("room", "all", 1)
		ben.wants(`shout ana room "all"`)

		auto := l.node("auto")
		defer auto.Stop()
		ana.wants("refused " + guard.ErrPlain.Error())
		ben.wants("refused " + guard.ErrPlain.Error())
		auto.wants("refused "+guard.ErrSecure.Error(), "refused "+guard.ErrSecure.Error())
		for _, a := range []*actor{ana, ben, auto} {
			a.idle(guard.RefusalLife / 4)
		}
		ana.must(ana.Whisper(t.Context(), ben.UUID(), text("still")))
		ben.wants(`whisper ana "still"`)
	})
}

// TestCardsAreRenewed lets a day pass, in which cards expire many times.
func TestCardsAreRenewed(t *testing.T) {
	for _, security := range []api.NodeSecurity{api.NodeSecurityAuto, api.NodeSecuritySecure} {
		synctest.Test(t, func(t *testing.T) {
			l := newLAN(t)
			ana, ben := l.node("ana", with(security), in("room")), l.node("ben", with(security), in("room"))
			defer ana.Stop()
			defer ben.Stop()
			ana.wants("enter ben", "join ben room")
			ben.wants("enter ana", "join ana room")
			first := ana.guard.Identity.Card()
			for hour := range 24 {
				time.Sleep(time.Hour)
				ana.must(ana.Whisper(t.Context(), ben.UUID(), text(fmt.Sprint(hour))))
				ben.wants(fmt.Sprintf(`whisper ana "%d"`, hour))
				ben.shouts("room", fmt.Sprint(hour), 1)
				ana.wants(fmt.Sprintf(`shout ben room "%d"`, hour))
			}
			if p, err := ben.Peer(ana.UUID()); err != nil || p.Badge().Card.Expiry.Equal(first.Expiry) {
				t.Fatalf("ben knows %+v, %v", p, err)
			}
			if key, _ := ana.guard.Identity.SealingKey(first.Short()); key != nil {
				t.Fatal("the first sealing key is still there")
			}
		})
	}
}

// TestCardAfterSleep wakes a node whose card has expired by the wall clock, while no time
// has passed by the one that the node waits with. It shows another before it is refused.
func TestCardAfterSleep(t *testing.T) {
	for _, security := range []api.NodeSecurity{api.NodeSecurityAuto, api.NodeSecuritySecure} {
		synctest.Test(t, func(t *testing.T) {
			l := newLAN(t)
			ana, ben := l.node("ana", with(security)), l.node("ben", with(security))
			defer ana.Stop()
			defer ben.Stop()
			ana.wants("enter ben")
			ben.wants("enter ana")
			_, err := ana.guard.Identity.Issue(ana.guard.Identity.Card().Incarnation, time.Now().Add(-identity.Lifetime-time.Hour))
			ana.must(err)
			cleo := l.node("cleo", with(security))
			defer cleo.Stop()
			cleo.seesAll("enter ana", "enter ben")
			ana.wants("enter cleo")
			time.Sleep(review + time.Second) // virtual
			for _, a := range []*actor{ben, cleo} {
				p, err := a.Peer(ana.UUID())
				a.must(err)
				if p.Badge().Card.Short() != ana.guard.Identity.Card().Short() {
					t.Errorf("%s has a card of ana until %s", a.Name(), p.Badge().Card.Expiry)
				}
			}
			ana.idle(time.Hour)
		})
	}
}

// seesAll expects the next events in whatever order.
func (a *actor) seesAll(lines ...string) {
	a.lan.t.Helper()
	var got []string
	for range lines {
		got = append(got, a.next(time.Minute))
	}
	slices.Sort(got)
	if slices.Sort(lines); !slices.Equal(got, lines) {
		a.lan.t.Errorf("%s got %q, want %q", a.Name(), got, lines)
	}
}

// member makes a node that is a member of a network.
func member(t *testing.T, network *identity.Network, name string) func(*Node) {
	t.Helper()
	return memberAs(t, network, name, "sensor")
}

func memberAs(t *testing.T, network *identity.Network, name, roles string) func(*Node) {
	t.Helper()
	invite, err := network.Invite(name, roles, [16]byte{}, 30)
	if err != nil {
		t.Fatal(err)
	}
	who, err := identity.JoinAt(t.TempDir(), invite)
	if err != nil {
		t.Fatal(err)
	}
	return func(n *Node) { _ = n.SetIdentity(who) }
}

func TestMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, err := identity.OpenNetwork(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		l := newLAN(t)
		ana, ben := l.node("", member(t, network, "ana")), l.node("", member(t, network, "ben"))
		defer ana.Stop()
		defer ben.Stop()
		ana.wants("enter ben")
		ben.wants("enter ana")
		if p, err := ana.Peer(ben.UUID()); err != nil || fmt.Sprint(p.Roles()) != "[sensor]" || p.Identity() != ben.guard.Identity.PublicKey() {
			t.Fatalf("ben is %+v, %v", p, err)
		}
		eve := l.node("eve", with(api.NodeSecuritySecure))
		defer eve.Stop()
		for _, a := range []*actor{ana, ben} {
			a.wants("refused eve " + guard.NotLetIn(fmt.Errorf("%w: %s shows no token", identity.ErrMember, eve.UUID())).Error())
		}
		eve.seesAll("refused "+api.EventRefusalMember.Text(), "refused "+api.EventRefusalMember.Text()) // who they are she is not told
		start := time.Now()
		ana.must(ana.guard.Identity.Adopt(revoke(t, network, "ben"))) // as another process does
		ana.wants(revokes("ben", ben.UUID())...)
		ben.seesAll("refused ana "+api.EventRefusalRevoked.Text(), "exit ana refused")
		if took := time.Since(start); took > 2*glances {
			t.Errorf("it took %v", took)
		}
	})
}

// TestFirstUse lets a node come by a name that is another's. Each side is told once who
// refuses whom, and why, and the one who is refused tries again in silence. It comes in
// when the name is forgotten.
func TestFirstUse(t *testing.T) {
	for _, security := range []api.NodeSecurity{api.NodeSecurityAuto, api.NodeSecurityPlain} {
		t.Run(security.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLAN(t)
				who, err := identity.Open(t.TempDir())
				if err != nil {
					t.Fatal(err)
				}
				ana := l.node("ana", func(n *Node) { _, _ = n.SetIdentity(who), n.SetTrust(api.NodeTrustFirstUse) })
				defer ana.Stop()
				ben := l.node("ben")
				ana.wants("enter ben")
				ben.Stop()
				ana.wants("exit ben left")
				other := l.node("ben", with(security))
				defer other.Stop()
				refuses(ana, other, api.EventRefusalName)
				if err := who.Forget("ben"); err != nil {
					t.Fatal(err)
				}
				for a, want := range map[*actor]string{ana: "enter ben", other: "enter ana"} {
					if got := a.next(guard.TurnedAwayLife + time.Minute); got != want {
						t.Errorf("%s got %q, want %q", a.Name(), got, want)
					}
				}
				ana.talk(other)
				other.talk(ana)
			})
		})
	}
}

// TestMembersUnencrypted lets a node that is no member greet one that trusts members.
func TestMembersUnencrypted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, err := identity.OpenNetwork(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		l := newLAN(t)
		ana := l.node("", member(t, network, "ana"), with(api.NodeSecurityAuto))
		defer ana.Stop()
		ben := l.node("ben")
		defer ben.Stop()
		refuses(ana, ben, api.EventRefusalMember)
	})
}

// TestRefusalsOfNobody has a thousand nodes sighted that nobody can talk with and nobody
// is. Few are told, and true ones that come after are, sighted or met.
func TestRefusalsOfNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const forged, soon = 2000, 10 * time.Second
		s := newScene(t, api.NodeSecurityAuto)
		for i := range forged {
			id := mallory
			id[0], id[1] = byte(i), byte(i>>8)
			lookout{s.ana.loop}.sighted([]sight.Sighting{{ID: id, Endpoint: sight.At("10.6.0.1", 1).With(&[32]byte{1})}})
		}
		told := 0
		for s.ana.next(100*time.Millisecond) == "refused "+guard.ErrSecure.Error() {
			told++
		}
		if told == 0 || told > events.MaxNotices+1 {
			t.Errorf("%d of %d are told", told, forged)
		}
		_, _ = s.confront(s.eve.Identity.UUID(), nil, frame(s.greeting())) // without a card
		if got := s.ana.next(soon); !strings.HasPrefix(got, "refused eve ") {
			t.Errorf("ana got %q", got)
		}
		secure := s.node("secure", with(api.NodeSecuritySecure))
		defer secure.Stop()
		if got := s.ana.next(soon); got != "refused "+guard.ErrSecure.Error() {
			t.Errorf("ana got %q", got)
		}
	})
}

// refuses expects that a node refuses another, and that nothing is told twice until that
// is due.
func refuses(one, other *actor, why api.EventRefusal) {
	t := one.lan.t
	t.Helper()
	events := func(a *actor) (lines []string) {
		for line := a.next(guard.RefusalLife / 3); len(lines) < 9 && line != context.DeadlineExceeded.Error(); line = a.next(guard.RefusalLife / 3) {
			lines = append(lines, line)
		}
		return lines
	}
	ours, theirs := events(one), events(other)
	if len(ours) != 1 || !strings.HasPrefix(ours[0], "refused "+other.Name()+" this node does not let it in: ") {
		t.Errorf("%s got %q", one.Name(), ours)
	}
	if len(theirs) == 3 && theirs[0] == "enter "+one.Name() && theirs[2] == "exit "+one.Name()+" refused" {
		theirs = theirs[1:2] // it was greeted before its own greeting had come
	}
	if len(theirs) != 1 || !strings.HasPrefix(theirs[0], "refused ") || !strings.HasSuffix(theirs[0], why.Text()) {
		t.Errorf("%s got %q", other.Name(), theirs)
	}
}

// TestPlainSealsNothing has a node without security be asked for what only one with an
// identity can do.
func TestPlainSealsNothing(t *testing.T) {
	who, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	for name, set := range map[string]func(*Node) error{
		"a sealed group": func(n *Node) error { return n.SetSealed("room") },
		"an identity":    func(n *Node) error { return n.SetIdentity(who) },
		"trust":          func(n *Node) error { return n.SetTrust(api.NodeTrustFirstUse) },
	} {
		n, err := New("ana")
		if err = errors.Join(err, n.SetSecurity(api.NodeSecurityPlain), set(n)); err != nil {
			t.Fatal(err)
		}
		if err := n.Start(t.Context()); !errors.Is(err, api.ErrNoIdentity) {
			t.Errorf("%s: %v", name, err)
		}
		n.Stop()
	}
}
