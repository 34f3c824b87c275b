package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/sight"
)

// copies lets nodes be who one is, each with a copy of its directory.
func copies(t *testing.T) func(*Node) {
	t.Helper()
	original := t.TempDir()
	if _, err := identity.Open(original); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(original, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return func(n *Node) {
		dir := t.TempDir()
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err = errors.Join(err, os.WriteFile(filepath.Join(dir, filepath.Base(file)), content, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		who, err := identity.Load(dir)
		if err = errors.Join(err, n.SetIdentity(who)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOneNodeToAnIdentity starts nodes with the same directory.
func TestOneNodeToAnIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, dir := newLAN(t), t.TempDir()
		in := func(n *Node) {
			who, err := identity.Open(dir)
			if err = errors.Join(err, n.SetIdentity(who)); err != nil {
				t.Fatal(err)
			}
		}
		cleo, ana := l.node("cleo"), l.node("ana", in)
		defer cleo.Stop()
		cleo.wants("enter ana")
		second, err := New("second")
		ana.must(err)
		in(second)
		if err := second.Start(t.Context()); !errors.Is(err, api.ErrInUse) || !strings.Contains(err.Error(), fmt.Sprint("process ", os.Getpid())) {
			t.Errorf("a second node: %v", err)
		}
		second.Stop()
		cleo.idle(time.Minute)
		ana.Stop()
		cleo.wants("exit ana left")
		again := l.node("again", in)
		cleo.wants("enter again")
		again.Stop()
		cleo.wants("exit again left")

		ana.must(errors.Join(os.Remove(filepath.Join(dir, "in-use")), os.Mkdir(filepath.Join(dir, "in-use"), 0o700)))
		unguarded := l.node("unguarded", in)
		defer unguarded.Stop()
		if got := unguarded.next(time.Minute); !strings.HasPrefix(got, "network the directory of the identity cannot be told") {
			t.Errorf("where nothing can be locked: %q", got)
		}
		cleo.wants("enter unguarded")
	})
}

// TestTwins starts a second node with the identity of the first. The newer is the one
// that its peers talk with; the older is turned away, and does not try in a storm.
func TestTwins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		one := copies(t)
		cleo, ana := l.node("cleo"), l.node("ana", one)
		defer cleo.Stop()
		defer ana.Stop()
		cleo.wants("enter ana")
		twin := l.node("twin", one)
		defer twin.Stop()
		cleo.wants("exit ana replaced", "enter twin")
		time.Sleep(time.Minute) // virtual
		const span = 8 * time.Minute
		before := cleo.Counts()["stale greetings"]
		time.Sleep(span) // virtual
		again := cleo.Counts()["stale greetings"] - before
		t.Logf("%.2f connections a second are of no use", float64(again)/span.Seconds())
		if again == 0 || again > uint64(span/(3*time.Second)) {
			t.Errorf("ana was turned away %d times in %v, want more than 0 and less than each 3 s", again, span)
		}
		cleo.idle(time.Second)
		for _, a := range []struct{ self, other *actor }{{ana, twin}, {twin, ana}} {
			got, refusals := a.self.twins()
			if len(got) != 1 || !strings.HasPrefix(got[0], a.other.Endpoint()+" another node has this node's identity") {
				t.Errorf("%s has heard of the twins %q", a.self.Name(), got)
			}
			if want := map[*actor]int{ana: 1}[a.self]; refusals != want {
				t.Errorf("%s is told %d times that it is turned away, want %d", a.self.Name(), refusals, want)
			}
		}
	})
}

// twins returns what the unread events tell of twins, and how many are about somebody
// who turns the node away.
func (a *actor) twins() (told []string, refusals int) {
	a.lan.t.Helper()
	ctx, cancel := context.WithTimeout(a.lan.t.Context(), time.Millisecond)
	defer cancel()
	for {
		switch e, err := a.Recv(ctx); {
		case err != nil:
			return told, refusals
		case e.Type() == api.EventTypeRefused && e.Reason() == errTurnedAway.Error():
			refusals++
		case e.Type() != api.EventTypeTwin:
		case e.Peer().UUID() != a.UUID():
			a.lan.t.Errorf("%s has a twin %s", a.UUID(), e.Peer().UUID())
		default:
			told = append(told, e.Peer().Endpoint()+" "+e.Reason())
		}
	}
}

// TestTwinByGossip has the older of two nodes be told of the newer by gossip alone.
func TestTwinByGossip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		one := copies(t)
		hub := l.node("hub", gossips("tcp://10.0.0.1:5670"))
		defer hub.Stop()
		ana := l.node("ana", one, gossips("", "tcp://10.0.0.1:5670"))
		defer ana.Stop()
		hub.wants("enter ana")
		twin := l.node("twin", one, gossips("", "tcp://10.0.0.1:5670"))
		defer twin.Stop()
		hub.wants("exit ana replaced", "enter twin")
		time.Sleep(time.Minute) // virtual
		if got, _ := ana.twins(); len(got) != 1 || !strings.HasPrefix(got[0], twin.Endpoint()) {
			t.Errorf("ana has heard of the twins %q", got)
		}
	})
}

// TestPretendedTwins sends sightings in a node's own name.
func TestPretendedTwins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ana := newLAN(t).node("ana")
		defer ana.Stop()
		pretend := func(ports int) (told []string) {
			for port := range ports {
				lookout{ana.loop}.sighted([]sight.Sighting{{ID: ana.UUID(), Endpoint: sight.At(fmt.Sprintf("10.0.0.%d", port%200), uint16(1+port))}})
				lookout{ana.loop}.sighted([]sight.Sighting{{ID: ana.UUID(), Endpoint: sight.At(fmt.Sprintf("10.0.1.%d", port%200), uint16(1+port))}})
			}
			told, _ = ana.twins()
			return told
		}
		if got := pretend(5000); len(got) != guard.MaxTwins || ana.Counts()["sightings of a twin"] != 10000 {
			t.Errorf("%d are told of, want %d; counts: %v", len(got), guard.MaxTwins, ana.Counts())
		}
		since := time.Now().Format(time.DateTime)
		for range 3 {
			time.Sleep(guard.RefusalLife / 3) // virtual
			got := pretend(1)
			if again := time.Now().Format(time.DateTime); len(got) > 1 || len(got) == 1 && !strings.Contains(got[0], "first seen "+since) {
				t.Errorf("at %s, since %s: %q", again, since, got)
			}
		}
		if got := pretend(5000); len(got) != guard.MaxTwins-1 {
			t.Errorf("%d are told of when the others are forgotten, want %d", len(got), guard.MaxTwins-1)
		}
	})
}
