package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/identity"
)

// copies lets nodes be who one is, each with a copy of its directory.
func copies(t *testing.T) func(*Node) {
	t.Helper()
	original := t.TempDir()
	if _, err := identity.Create(original); err != nil {
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
		if err := second.Start(); !errors.Is(err, api.ErrInUse) || !strings.Contains(err.Error(), fmt.Sprint("process ", os.Getpid())) {
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
		const span = 10 * time.Minute
		before := cleo.Counts()["stale greetings"]
		time.Sleep(span) // virtual
		again := cleo.Counts()["stale greetings"] - before
		t.Logf("%.2f connections a second are of no use", float64(again)/span.Seconds())
		if again == 0 || again > uint64(span/time.Second) {
			t.Errorf("ana was turned away %d times in %v, want more than 0 and less than each second", again, span)
		}
		cleo.idle(time.Minute)
	})
}
