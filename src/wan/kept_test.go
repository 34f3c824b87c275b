package wan

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncerecord"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/rendezvous"
)

// somebody returns one that was met at a time.
func somebody(t *testing.T, met time.Time, endpoints ...string) *acquaintance {
	t.Helper()
	who, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	card, err := who.Issue(1, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return &acquaintance{network: rendezvous.Number{1}, card: card, met: met, endpoints: endpoints, groups: []string{"room"}}
}

var ours = []rendezvous.Number{{1}}

// endpoints returns where one may be dialled, in their order.
func (k *Kept) endpoints(p *acquaintance) (list []string) {
	_, all := k.card(p.card.ID, ours)
	for _, e := range all {
		list = append(list, e.Bare())
	}
	return list
}

// TestKept keeps one over a restart, with where it was reached first; another network does
// not know it.
func TestKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kept")
	k, err := OpenKept(path)
	if err != nil {
		t.Fatal(err)
	}
	p := somebody(t, time.Now(), "tcp://192.168.1.7:1", "tcp://203.0.113.7:2")
	k.listens(4711)
	k.take(p)
	k.Reached(p.card.ID, "tcp://203.0.113.7:2")
	again := *p // the server tells of it once more
	again.endpoints, again.stood = []string{"tcp://192.168.1.7:1", "tcp://[2001:db8::7]:3"}, ""
	k.take(&again)
	if err := k.write(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v %v", info, err)
	}
	if k, err = OpenKept(path); err != nil {
		t.Fatal(err)
	}
	want := []string{"tcp://203.0.113.7:2", "tcp://192.168.1.7:1", "tcp://[2001:db8::7]:3"}
	if list := k.endpoints(p); !slices.Equal(list, want) || k.Port() != 4711 {
		t.Errorf("it keeps %v, and port %d", list, k.Port())
	}
	if k.has(p.card.ID, []rendezvous.Number{{2}}) || !k.has(p.card.ID, ours) {
		t.Error("it is known in another network, or not in its own")
	}
}

// TestKeptBound keeps so many, whom the node has met of late; nobody goes for one that is met
// in the same hour.
func TestKeptBound(t *testing.T) {
	k, now := NewKept(), time.Now()
	one := somebody(t, now)
	for i := range oncerecord.MaxKept {
		with, card := *one, *one.card
		card.ID[0], card.ID[1] = byte(i), byte(i>>8)
		with.card, with.met = &card, now.Add(time.Duration(i)*time.Second)
		k.take(&with)
	}
	soon, late := somebody(t, now.Add(time.Minute)), somebody(t, now.Add(2*longAgo))
	k.take(soon)
	k.take(late)
	if len(k.list) != oncerecord.MaxKept || k.has(soon.card.ID, ours) || !k.has(late.card.ID, ours) {
		t.Errorf("%d are kept: soon %v, late %v", len(k.list), k.has(soon.card.ID, ours), k.has(late.card.ID, ours))
	}
	for i := range 2 * oncerecord.MaxAcquaintanceEndpoints {
		k.Reached(late.card.ID, fmt.Sprint("tcp://203.0.113.7:", i+1))
	}
	if list := k.endpoints(late); len(list) != oncerecord.MaxAcquaintanceEndpoints || list[0] != "tcp://203.0.113.7:16" {
		t.Errorf("it may be dialled at %v", list)
	}
}

// TestKeptWrong takes nothing from a file that is not right, and says so.
func TestKeptWrong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kept")
	for _, wrong := range []string{"", "{", `{"port":70000}`, `{"port":1,"peers":["AAAA"]}`, `{"peers":[7]}`} {
		if err := os.WriteFile(path, []byte(wrong), 0o600); err != nil {
			t.Fatal(err)
		}
		if k, err := OpenKept(path); err == nil || k == nil || len(k.list) > 0 || k.Port() != 0 {
			t.Errorf("%s: %v, %v", wrong, k, err)
		}
	}
	if k, err := OpenKept(filepath.Dir(path)); err == nil || k == nil {
		t.Errorf("a directory: %v", err)
	}
}

// TestKeptLook looks for one more and more seldom, at once when the network has changed, and
// not while a server tells of it.
func TestKeptLook(t *testing.T) {
	p := somebody(t, time.Now(), "tcp://203.0.113.7:2")
	synctest.Test(t, func(t *testing.T) {
		k := NewKept()
		k.take(p)
		half := func(string) float64 { return 0.5 }
		due := func(told bool, group string) int {
			return len(k.due(ours, []string{group}, map[uuid.UUID]bool{p.card.ID: told}, half))
		}
		if due(true, "room") != 0 || due(false, "hall") != 0 {
			t.Error("it is looked for where it need not be")
		}
		looks := 0
		for range 3600 {
			looks += due(false, "room")
			time.Sleep(time.Second)
		}
		if looks < 10 || looks > 14 { // after 5, 10, 20 ... 600 seconds
			t.Errorf("it is looked for %d times in an hour", looks)
		}
		if k.soon(); due(false, "room") != 1 || due(false, "room") != 0 {
			t.Error("it is not looked for at once, or twice")
		}
	})
}
