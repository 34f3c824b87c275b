package node

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestUnreachable lets beacons pass where connections do not: both nodes are told so
// after the greeting time-out, with where the other is, and once.
func TestUnreachable(t *testing.T) {
	for _, c := range []struct {
		name  string
		block func(l *lan, ana, ben string)
	}{
		{"dropped", func(l *lan, ana, ben string) { l.memory.Partition(ana, ben, true) }},
		{"refused", func(l *lan, ana, ben string) { l.memory.Refuse(ana, true); l.memory.Refuse(ben, true) }},
	} {
		for _, security := range levels {
			t.Run(fmt.Sprint(c.name, "/", security), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := newLAN(t)
					c.block(l, "10.0.0.1", "10.0.0.2")
					start := time.Now()
					ana, ben := l.node("ana", with(security)), l.node("ben", with(security))
					defer ana.Stop()
					defer ben.Stop()
					for _, pair := range [][2]*actor{{ana, ben}, {ben, ana}} {
						a, other := pair[0], pair[1]
						endpoint := parsed(other.Endpoint()).Bare()
						if got := a.next(time.Minute); !strings.HasPrefix(got, "unreachable") ||
							!strings.Contains(got, endpoint) && !strings.Contains(got, parsed(a.Endpoint()).Bare()) {
							t.Fatalf("%s is told %q, where the other is at %s", a.Name(), got, endpoint)
						}
						if took := time.Since(start); took < a.settings.Greeting || took > 2*a.settings.Greeting {
							t.Errorf("%s is told after %v", a.Name(), took)
						}
					}
					ana.idle(9 * time.Minute)
					ben.idle(time.Second)
					ana.unreached(12*time.Minute, 2)
				})
			})
		}
	}
}

// TestReachableOneWay has one of two nodes not accept connections: they talk over the
// one that it makes.
func TestReachableOneWay(t *testing.T) {
	for _, security := range levels {
		t.Run(fmt.Sprint(security), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLAN(t)
				l.memory.Refuse("10.0.0.2", true)
				ana, ben := l.node("ana", with(security)), l.node("ben", with(security))
				defer ana.Stop()
				defer ben.Stop()
				ana.wants("enter ben")
				ben.wants("enter ana")
				ana.talk(ben)
				ben.talk(ana)
				l.memory.Cut(ben.host)
				ana.talk(ben)
				ben.talk(ana)
				ana.idle(time.Minute)
				ben.idle(time.Minute)
			})
		})
	}
}

// TestReachable tells of nobody who can be reached, or is not there any more. Who was called
// by a peer that refuses then waits for it to call again.
func TestReachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana, ben, cleo := l.node("ana"), l.node("ben"), l.node("cleo")
		defer ana.Stop()
		defer cleo.Stop()
		for _, a := range []*actor{ana, ben, cleo} {
			for range 2 {
				if got := a.next(time.Minute); !strings.HasPrefix(got, "enter") {
					t.Fatalf("%s is told %q", a.Name(), got)
				}
			}
			a.idle(30 * time.Second)
		}
		ben.vanishes()
		for _, a := range []*actor{ana, cleo} {
			got := a.next(time.Minute)
			if got == "suspect ben" {
				got = a.next(time.Minute)
			}
			if got != "exit ben network" {
				t.Fatalf("%s is told %q", a.Name(), got)
			}
			a.idle(20 * time.Minute)
		}
	})
}

// TestDeadWhileConnecting has a node die while others connect to it for the first time:
// it is not there any more, and nobody is told that it cannot be reached.
func TestDeadWhileConnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana, ben := l.node("ana"), l.node("ben")
		defer ana.Stop()
		time.Sleep(2 * time.Millisecond)
		ben.vanishes()
		ana.idle(20 * time.Minute)
	})
}
