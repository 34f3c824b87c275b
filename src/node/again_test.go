package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/identity"
)

// kept has a node have an identity that a directory keeps.
func (s *rendezvousScene) kept(dir string) func(*Node) {
	return func(n *Node) {
		who, err := identity.Open(dir)
		if err != nil {
			s.t.Fatal(err)
		}
		if err := n.SetIdentity(who); err != nil {
			s.t.Fatal(err)
		}
	}
}

// reaches has one note that it has reached another where that listens beyond its LAN: in
// memory nobody is told of that.
func reaches(from, to *actor) {
	from.ears.wan.Kept.Reached(to.UUID(), "tcp://"+to.host+":"+to.Beyond()["port"])
}

// TestServerDies has two talk over a server's circuit, who have reached each other before:
// when the server dies they go on without it, at once, and nothing is lost.
func TestServerDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRendezvous(t)
		defer s.server.Close()
		ana, ben := s.node("ana", s.found, alone, in("room")), s.node("ben", s.found, alone, in("room"))
		ana.wants("enter ben", "join ben room")
		ben.wants("enter ana", "join ana room")
		time.Sleep(10 * time.Minute) // so that each may be away for a while
		reaches(ana, ben)
		reaches(ben, ana)
		if way := ana.loop.find(ben.UUID()).Peer().Way(); way != api.PeerWayRelayed {
			t.Fatalf("they talk %v", way)
		}
		s.memory.Cut(hostOfServer)
		s.server.Close()
		began := time.Now()
		ana.must(ana.Whisper(t.Context(), ben.UUID(), text("still here?")))
		ben.wants(`whisper ana "still here?"`)
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("that takes %v", took)
		}
		if way := ana.loop.find(ben.UUID()).Peer().Way(); way == api.PeerWayRelayed {
			t.Error("they talk over a server that is dead")
		}
		ana.must(ana.Stop())
		ben.wants("exit ana left")
		ben.must(ben.Stop())
	})
}

// TestMeetAgain has two meet over a server, and once more when both were started again and
// there is none: who shares a group as soon as they are there, others when one has something
// to say.
func TestMeetAgain(t *testing.T) {
	for _, groups := range [][2]string{{"room", "room"}, {"room", "hall"}} {
		t.Run(strings.Join(groups[:], " "), func(t *testing.T) {
			dirs := [2]string{filepath.Join(t.TempDir(), "ana"), filepath.Join(t.TempDir(), "ben")}
			synctest.Test(t, func(t *testing.T) {
				s := newRendezvous(t)
				defer s.server.Close()
				begin := func() (ana, ben *actor) {
					ana = s.nodeAt("10.0.0.1", "ana", s.found, alone, in(groups[0]), s.kept(dirs[0]))
					return ana, s.nodeAt("10.0.0.2", "ben", s.found, alone, in(groups[1]), s.kept(dirs[1]))
				}
				ana, ben := begin()
				time.Sleep(5 * time.Second)
				ana.must(ana.Whisper(t.Context(), ben.UUID(), text("hi")))
				ana.must(ana.Flush(t.Context()))
				port := ana.Beyond()["port"]
				reaches(ana, ben)
				reaches(ben, ana)
				ben.must(ben.Stop())
				ana.must(ana.Stop())
				s.memory.Cut(hostOfServer)
				s.server.Close()

				ana, ben = begin()
				if now := ana.Beyond()["port"]; now != port {
					t.Errorf("ana listens at port %s, and before at %s", now, port)
				}
				if groups[0] == groups[1] {
					ana.wants("enter ben", "join ben room")
				}
				ana.must(ana.Whisper(t.Context(), ben.UUID(), text("hi again")))
				ben.wants("enter ana", "join ana "+groups[0], `whisper ana "hi again"`)
				if p := ana.loop.find(ben.UUID()).Peer(); p.Protection() != api.PeerProtectionSealed {
					t.Errorf("it is %v", p.Protection())
				}
				ana.must(ana.Stop())
				ben.wants("exit ana left")
				time.Sleep(time.Hour) // who is not there is looked for, and nothing is said of that
				ana = s.nodeAt("10.0.0.1", "ana", s.found, alone, in(groups[0]), s.kept(dirs[0]))
				ana.must(ana.Whisper(t.Context(), ben.UUID(), text("back")))
				for _, want := range []string{"enter ana", "join ana " + groups[0], `whisper ana "back"`} {
					ben.wants(want)
				}
				ana.must(ana.Stop())
				ben.must(ben.Stop())
			})
		})
	}
}

// TestKeptDamaged has a node start whose file of those that it has met is damaged: it knows
// nobody, says so, and writes a new one.
func TestKeptDamaged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ana")
	synctest.Test(t, func(t *testing.T) {
		s := newRendezvous(t)
		defer s.server.Close()
		if _, err := identity.Open(dir); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, keptFile)
		if err := os.WriteFile(path, []byte(`{"port":7,"peers":["bm8gb25l"]}`), 0o600); err != nil {
			t.Fatal(err)
		}
		ana := s.node("ana", s.found, alone, s.kept(dir))
		ctx := t.Context()
		e, err := ana.Recv(ctx)
		if err != nil || e.Type() != api.EventTypeNetwork || !strings.Contains(e.Reason(), path) {
			t.Fatalf("it says %v %v", e, err)
		}
		ana.must(ana.Stop())
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("the file is %v %v", info, err)
		}
		again := s.node("ana", s.found, alone, s.kept(dir))
		if got := again.next(time.Minute); !strings.HasPrefix(got, "context deadline") {
			t.Errorf("then it says %q", got)
		}
		again.must(again.Stop())
	})
}
