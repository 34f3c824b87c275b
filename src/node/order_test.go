package node

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
)

// levels are all that a node may ask of its peers.
var levels = []api.NodeSecurity{api.NodeSecurityPlain, api.NodeSecurityAuto, api.NodeSecuritySecure}

// tight leaves room for little content that the application has not read.
func tight(n *Node) { n.settings.Inbox = 4096 }

// tells lets a node whisper numbers to another and join groups, in turn.
func (a *actor) tells(to *actor, from, end int) {
	a.lan.t.Helper()
	for i := from; i < end; i++ {
		a.must(a.Whisper(a.lan.t.Context(), to.UUID(), text(fmt.Sprint(i))))
		a.must(a.Join(fmt.Sprint("group ", i)))
	}
}

// numbers reads all that there is to read, and returns the numbers that were whispered,
// in the order in which they came, and the last event. Nothing comes after an exit.
func (a *actor) numbers() (list []int, last string) {
	a.lan.t.Helper()
	for {
		line := a.next(time.Minute)
		if line == context.DeadlineExceeded.Error() {
			return list, last
		}
		if strings.HasPrefix(last, "exit") {
			a.lan.t.Fatalf("after %q there is %q", last, line)
		}
		last = line
		var number int
		if _, err := fmt.Sscanf(line, "whisper ana %q", new(string)); err == nil {
			fmt.Sscanf(line[len("whisper ana "):], "\"%d\"", &number)
			list = append(list, number)
		}
	}
}

// TestOneOrder breaks connections whose reader waits for a slow application, and those
// that come after them. What arrives is in the order in which it was said; where
// connections end in good order all arrives.
func TestOneOrder(t *testing.T) {
	for _, c := range []struct {
		name  string
		cuts  int
		brake func(ana, ben *actor)
		whole bool
	}{
		{"reset once", 1, func(_, ben *actor) { ben.lan.memory.Cut(ben.host) }, false},
		{"reset again and again", 5, func(_, ben *actor) { ben.lan.memory.Cut(ben.host) }, false},
		{"ended once", 1, (*actor).ends, true},
		{"ended again and again", 5, (*actor).ends, false}, // of those that wait one goes on
		{"reset while the next comes", 2, func(_, ben *actor) {
			ben.lan.memory.Cut(ben.host)
			time.Sleep(3 * time.Millisecond)
			ben.lan.memory.Cut(ben.host)
		}, false},
	} {
		for _, security := range levels {
			t.Run(fmt.Sprint(c.name, "/", security), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := newLAN(t)
					ana, ben := l.node("ana", with(security)), l.node("ben", with(security), tight)
					defer ana.Stop()
					defer ben.Stop()
					ana.wants("enter ben")
					ben.wants("enter ana")
					const part = 40
					for i := range c.cuts {
						ana.tells(ben, i*part, (i+1)*part)
						l.rest()
						c.brake(ana, ben)
						l.rest()
					}
					ana.tells(ben, c.cuts*part, (c.cuts+1)*part)
					l.rest()
					got, _ := ben.numbers()
					for i, number := range got {
						if i > 0 && number <= got[i-1] {
							t.Fatalf("%d comes after %d: %v", number, got[i-1], got)
						}
					}
					if sent := (c.cuts + 1) * part; c.whole && len(got) != sent || len(got) == 0 || got[len(got)-1] != sent-1 {
						t.Errorf("of %d came %v", sent, got)
					}
				})
			})
		}
	}
}

// ends has a node end its connection to another when all is sent, in good order.
func (a *actor) ends(of *actor) {
	a.loop.do(func() { _ = a.loop.of(of.UUID()).ours.Link().Close() })
}

// TestNothingAfterExit has a peer go whose words wait, some on a connection that was
// lost, for a slow application.
func TestNothingAfterExit(t *testing.T) {
	for _, c := range []struct {
		name string
		goes func(ana, ben *actor)
		exit string
	}{
		{"leaves", func(ana, _ *actor) { _ = ana.Stop() }, "exit ana left"},
		{"is cut off", func(ana, ben *actor) { ana.lan.part(ana, ben, true) }, "exit ana "},
	} {
		for _, security := range levels {
			t.Run(fmt.Sprint(c.name, "/", security), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := newLAN(t)
					ana, ben := l.node("ana", with(security)), l.node("ben", with(security), tight)
					defer ana.Stop()
					defer ben.Stop()
					ana.wants("enter ben")
					ben.wants("enter ana")
					ana.tells(ben, 0, 40)
					l.rest()
					ana.ends(ben)
					l.rest()
					ana.tells(ben, 40, 80)
					l.rest()
					c.goes(ana, ben)
					l.rest()
					got, last := ben.numbers()
					if !strings.HasPrefix(last, c.exit) {
						t.Fatalf("last comes %q after %v", last, got)
					}
					for i, number := range got {
						if number != i {
							t.Fatalf("number %d is %d", i, number)
						}
					}
					if len(got) != 80 {
						t.Errorf("of 80 came %d", len(got))
					}
				})
			})
		}
	}
}
