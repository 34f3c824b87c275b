package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/link"
)

// TestSealedByMany has many goroutines whisper and shout at once, while a third node
// comes and goes, so that keys are handed out and drawn anew: all arrives, once, and
// what each goroutine says in its order.
func TestSealedByMany(t *testing.T) {
	const speakers, each = 8, 200
	join := func(n *Node) { _ = n.Join("room") }
	ana, ben := live(t, "ana"), live(t, "ben", join)
	ana.must(ben.RequirePeer(ana.UUID(), ana.Endpoint()))
	ana.wants("enter ben", "join ben room")
	ben.wants("enter ana")
	var work sync.WaitGroup
	for s := range speakers {
		work.Go(func() {
			for i := range each {
				content := binary.BigEndian.AppendUint32([]byte{byte(s)}, uint32(i))
				if err := ana.Whisper(t.Context(), ben.UUID(), [][]byte{content}); err != nil {
					t.Error(err)
				}
				if _, err := ana.Shout(t.Context(), "room", [][]byte{content}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	work.Go(func() {
		for i := range 5 {
			cat := live(t, fmt.Sprint("cat ", i), join)
			ana.must(cat.RequirePeer(ana.UUID(), ana.Endpoint()))
			until(t, "ana sees the cat", func() bool { _, err := ana.Peer(cat.UUID()); return err == nil })
			cat.Stop()
		}
	})
	var next [2][speakers]uint32
	for left := 2 * speakers * each; left > 0; {
		e, err := ben.Recv(t.Context())
		ana.must(err)
		if e.Type() != api.EventTypeWhisper && e.Type() != api.EventTypeShout {
			continue
		}
		if p := e.Protection(); p != api.PeerProtectionSealed {
			t.Fatalf("it came %s", p)
		}
		content := e.Msg()[0]
		want := &next[e.Type()-api.EventTypeWhisper][content[0]]
		if got := binary.BigEndian.Uint32(content[1:]); got != *want {
			t.Fatalf("%s %d of %d, want %d", e.Type(), got, content[0], *want)
		}
		*want++
		left--
	}
	work.Wait()
	if bad := ben.Counts()["content that does not open"]; bad > 0 {
		t.Errorf("counts %v", ben.Counts())
	}
}

// TestSealedAcrossConnections cuts connections all the time: each new one has its own
// session, and content flows again.
func TestSealedAcrossConnections(t *testing.T) {
	join := func(n *Node) { _ = n.Join("room") }
	ana, ben := live(t, "ana"), live(t, "ben", join)
	ana.must(ben.RequirePeer(ana.UUID(), ana.Endpoint()))
	ana.wants("enter ben", "join ben room")
	ben.wants("enter ana")
	for i := range 10 {
		ana.loop.do(func() { _ = ana.loop.of(ben.UUID()).ours.Link().Close() })
		until(t, "it stands again", func() bool {
			_, err := ana.Shout(t.Context(), "room", text(fmt.Sprint("shout ", i)))
			ana.must(err)
			ana.must(ana.Whisper(t.Context(), ben.UUID(), text(fmt.Sprint("whisper ", i))))
			for end := time.Now().Add(time.Second); time.Now().Before(end); {
				if got := ben.next(time.Second); got == fmt.Sprintf("whisper ana %q", fmt.Sprint("whisper ", i)) {
					return true
				}
			}
			return false
		})
	}
	if bad := ben.Counts()["content that does not open"]; bad > 0 {
		t.Errorf("counts %v", ben.Counts())
	}
}

// TestLargest sends messages around the limit. What is taken arrives, and the
// connection stands.
func TestLargest(t *testing.T) {
	const limit = 64 << 10
	for _, security := range []api.NodeSecurity{api.NodeSecurityPlain, api.NodeSecurityAuto, api.NodeSecuritySecure} {
		t.Run(security.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLAN(t)
				small := func(n *Node) { n.settings.MaxMessage = limit }
				ana, ben := l.node("ana", small, with(security)), l.node("ben", small, with(security), in("room"))
				defer ana.Stop()
				defer ben.Stop()
				ana.wants("enter ben", "join ben room")
				ben.wants("enter ana")
				arrives := func(kind api.EventType, size int, err error) (taken bool) {
					if errors.Is(err, api.ErrTooLarge) {
						return false
					}
					ana.must(err)
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					if e, err := ben.Recv(ctx); err != nil || e.Type() != kind || len(e.Msg()[0]) != size {
						t.Fatalf("%s of %d octets: got %v, %v", kind, size, e, err)
					}
					return true
				}
				for _, kind := range []api.EventType{api.EventTypeWhisper, api.EventTypeShout} {
					largest := 0
					for size := limit - 300; size <= limit; size++ {
						content, err := [][]byte{make([]byte, size)}, error(nil)
						if kind == api.EventTypeWhisper {
							err = ana.Whisper(t.Context(), ben.UUID(), content)
						} else {
							_, err = ana.Shout(t.Context(), "room", content)
						}
						if arrives(kind, size, err) {
							largest = size
						}
					}
					if largest < limit-300 || largest == limit {
						t.Errorf("the largest %s had %d octets", kind, largest)
					}
				}
			})
		})
	}
}

// TestManyGroups joins more groups than a node can be in, one by one, and leaves each
// after it has heard what was said there, over one connection. So does the other side.
// What either keeps for the groups does not grow.
func TestManyGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const groups, few = 10_000, 2
		l := newLAN(t)
		ana, ben := l.node("ana"), l.node("ben")
		defer ana.Stop()
		defer ben.Stop()
		ana.wants("enter ben")
		ben.wants("enter ana")
		out := ana.table.find(ben.UUID()).Path()
		for i := range groups {
			from, to := ana, ben
			if i%10 == 0 {
				from, to = ben, ana
			}
			group := fmt.Sprint("group ", i)
			to.must(to.Join(group))
			from.wants(fmt.Sprintf("join %s %s", to.Name(), group))
			from.shouts(group, "hello", 1)
			to.wants(fmt.Sprintf("shout %s %s %q", from.Name(), group, "hello"))
			to.must(to.Leave(group))
			from.wants(fmt.Sprintf("leave %s %s", to.Name(), group))
		}
		if ana.table.find(ben.UUID()).Path() != out || ben.Counts()["content that does not open"] > 0 {
			t.Errorf("the connection was lost; counts %v", ben.Counts())
		}
		handed, sealed := out.Handed(), ana.loop.sender.Groups()
		given := ben.holds(ana.UUID())
		if held := given.Held(); handed > few || sealed > few || held > channel.MaxKeys {
			t.Errorf("%d keys count as handed out, %d groups are sealed, and the keys of %d are held", handed, sealed, held)
		}
	})
}

// TestSealedBeforeTheConnection says something to a peer that has entered and to which
// nothing goes yet: it waits for the connection.
func TestSealedBeforeTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana, ben := l.node("ana", in("room")), l.node("ben", in("room"), blinded)
		defer ana.Stop()
		defer ben.Stop()
		ana.wants("enter ben", "join ben room")
		ben.wants("enter ana", "join ana room")
		r := ana.table.find(ben.UUID())
		ana.loop.do(func() { r.Relink(channel.NewPath(link.Ended(), guard.Nonces{}, nil)) })
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if err := ana.Whisper(ctx, ben.UUID(), text("early")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a whisper: %v", err)
		}
		if _, err := ana.Shout(ctx, "room", text("early")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a shout: %v", err)
		}
		ana.ends(ben)
		ana.talk(ben)
	})
}
