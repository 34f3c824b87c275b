package registry

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/src/rendezvous"
)

// TestMemory holds the registry in memory to what holds for each.
func TestMemory(t *testing.T) { conform(t, func() Registry { return NewMemory() }) }

var (
	here, there = rendezvous.Number{1}, rendezvous.Number{2}
	whole, room = rendezvous.Tag{1}, rendezvous.Tag{2}
)

func entry(n int, octets string, tags ...rendezvous.Tag) *Entry {
	return &Entry{ID: idOf(n), Tags: tags, Octets: []byte(octets)}
}

func idOf(n int) uuid.UUID { return uuid.NewSHA1(uuid.Nil, []byte{byte(n), byte(n >> 8)}) }

// told returns what a page tells, in order.
func told(p Page) string {
	text := ""
	for _, e := range p.Entries {
		if e.Gone {
			text += "-"
		}
		text += string(e.Octets) + e.ID.String()[:2] + " "
	}
	return fmt.Sprintf("%sanew %v more %v", text, p.Anew, p.More)
}

// conform is the suite for all registries.
func conform(t *testing.T, fresh func() Registry) {
	t.Run("paging", func(t *testing.T) { testPages(t, fresh()) })
	t.Run("tags", func(t *testing.T) { testTags(t, fresh()) })
	t.Run("watch", func(t *testing.T) { testWatch(t, fresh()) })
	t.Run("another registry", func(t *testing.T) { testAnother(t, fresh(), fresh()) })
	t.Run("followers", func(t *testing.T) { testFollowers(t, fresh()) })
	t.Run("size", func(t *testing.T) { testSize(t, fresh()) })
}

func put(t *testing.T, r Registry, e *Entry) {
	t.Helper()
	if err := r.Put(here, e, false); err != nil {
		t.Fatal(err)
	}
}

func testPages(t *testing.T, r Registry) {
	for n := range 5 {
		put(t, r, entry(n, "abcd", whole))
	}
	page := r.List(here, []rendezvous.Tag{whole}, 0, 9)
	if len(page.Entries) != 2 || !page.Anew || !page.More {
		t.Fatalf("the first page: %s", told(page))
	}
	put(t, r, entry(0, "new", whole)) // moves to the end
	var rest []string
	for page.More {
		page = r.List(here, []rendezvous.Tag{whole}, page.Cursor, 1)
		rest = append(rest, string(page.Entries[0].Octets))
	}
	if want := []string{"abcd", "abcd", "abcd", "new"}; page.Anew || !slices.Equal(rest, want) {
		t.Errorf("then %v, want %v", rest, want)
	}
	if page = r.List(here, []rendezvous.Tag{whole}, page.Cursor, 1); len(page.Entries) > 0 || page.More || page.Anew {
		t.Errorf("then %s", told(page))
	}
	if page = r.List(there, []rendezvous.Tag{whole}, page.Cursor, 1); len(page.Entries) > 0 || page.More || !page.Anew {
		t.Errorf("elsewhere %s", told(page))
	}
}

func testTags(t *testing.T, r Registry) {
	put(t, r, entry(1, "", whole, room))
	all, one := []rendezvous.Tag{whole}, []rendezvous.Tag{room}
	cursor := r.List(here, one, 0, 100).Cursor
	put(t, r, entry(1, "", whole)) // leaves the room
	put(t, r, entry(2, "", whole))
	page := r.List(here, one, cursor, 100)
	if len(page.Entries) != 1 || page.Entries[0].ID != idOf(1) || page.Entries[0].Has(one) || !page.Entries[0].Has(all) {
		t.Errorf("who watches the room is told %s", told(page))
	}
	if changed, now, known := r.Changed(here, cursor); !known || !changed[room] || !changed[whole] || now <= cursor {
		t.Errorf("changed: %v up to %d, %v", changed, now, known)
	} else if changed, _, known = r.Changed(here, now); !known || len(changed) > 0 {
		t.Errorf("changed since: %v, %v", changed, known)
	}
	if _, _, known := r.Changed(here, cursor+1000); known {
		t.Error("a cursor of tomorrow is known")
	}
	if all, tagged := r.Size(here, room); all != 2 || tagged != 0 {
		t.Errorf("%d, %d in the room", all, tagged)
	}
	// Its card alone is renewed: whoever asks gets it, nobody is told.
	before := r.List(here, all, 0, 100).Cursor
	if err := r.Put(here, entry(2, "card", whole), true); err != nil || string(r.Get(here, idOf(2)).Octets) != "card" {
		t.Error(err, "the card is not renewed")
	}
	if page := r.List(here, all, before, 100); len(page.Entries) > 0 {
		t.Errorf("who watches is told of a card: %s", told(page))
	}
	if err := errors.Join(r.Delete(here, idOf(2)), r.Delete(here, idOf(2)), r.Delete(there, idOf(2))); err != nil || r.Get(here, idOf(2)) != nil {
		t.Error(err, "it is still there")
	}
	if page := r.List(here, all, before, 100); len(page.Entries) != 1 || !page.Entries[0].Gone {
		t.Errorf("who watches is told %s", told(page))
	}
	if page := r.List(here, all, 0, 100); len(page.Entries) != 1 || page.Entries[0].Gone {
		t.Errorf("who begins is told %s", told(page))
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func testWatch(t *testing.T, r Registry) {
	first := r.Watch(here)
	put(t, r, entry(1, "", whole))
	second := r.Watch(here)
	if !isClosed(first) || isClosed(second) {
		t.Fatal("the first is not told of")
	}
	if err := r.Put(there, entry(1, "", whole), false); err != nil || isClosed(second) {
		t.Error(err, "one network is told of another")
	}
	if err := r.Delete(here, idOf(1)); err != nil || !isClosed(second) {
		t.Error(err, "the last is not told of")
	}
}

// testAnother proves that cursors of another registry, and of a network that was empty
// meanwhile, are not known.
func testAnother(t *testing.T, r, later Registry) {
	tags := []rendezvous.Tag{whole}
	put(t, r, entry(1, "", whole))
	cursor := r.List(here, tags, 0, 100).Cursor
	for n := range 10 {
		put(t, later, entry(n, "", whole))
	}
	if page := later.List(here, tags, cursor, 1000); !page.Anew || len(page.Entries) != 10 {
		t.Errorf("after a restart: %s", told(page))
	}
	if err := r.Delete(here, idOf(1)); err != nil {
		t.Fatal(err)
	}
	for n := range 10 {
		put(t, r, entry(2+n, "", whole))
	}
	if page := r.List(here, tags, cursor, 1000); !page.Anew || len(page.Entries) != 10 {
		t.Errorf("after it was empty: %s", told(page))
	}
}

// testFollowers has some follow at their own pace what thousands of changes do, and
// compares what they know in the end with what is there.
func testFollowers(t *testing.T, r Registry) {
	type follower struct {
		cursor uint64
		knows  map[uuid.UUID]string
		pace   int
	}
	rng := rand.New(rand.NewPCG(1, 2))
	tags := []rendezvous.Tag{room}
	followers := []*follower{{pace: 1}, {pace: 50}, {pace: 4000}}
	follow := func(f *follower, most int) bool {
		page := r.List(here, tags, f.cursor, most)
		if page.Anew {
			f.knows = map[uuid.UUID]string{}
		}
		for _, e := range page.Entries {
			if e.Gone || !e.Has(tags) {
				delete(f.knows, e.ID)
			} else {
				f.knows[e.ID] = string(e.Octets)
			}
		}
		f.cursor = page.Cursor
		return page.More
	}
	for n := range 12000 {
		switch who := rng.IntN(3000); rng.IntN(3) {
		case 0:
			put(t, r, entry(who, fmt.Sprint(n), whole, room))
		case 1:
			put(t, r, entry(who, fmt.Sprint(n), whole))
		default:
			if err := r.Delete(here, idOf(who)); err != nil {
				t.Fatal(err)
			}
		}
		for _, f := range followers {
			if n%f.pace == 0 {
				follow(f, 100)
			}
		}
	}
	want := map[uuid.UUID]string{}
	for who := range 3000 {
		if e := r.Get(here, idOf(who)); e != nil && e.Has(tags) {
			want[e.ID] = string(e.Octets)
		}
	}
	for _, f := range followers {
		for follow(f, 1<<20) {
		}
		if fmt.Sprint(f.knows) != fmt.Sprint(want) || len(want) < 100 {
			t.Errorf("at a pace of %d one knows %d, and %d are there", f.pace, len(f.knows), len(want))
		}
	}
}

func testSize(t *testing.T, r Registry) {
	big := make([]byte, 16)
	for n := range oncemsg.MaxNetwork {
		big[0], big[1], big[2] = byte(n), byte(n>>8), byte(n>>16)
		if err := r.Put(here, &Entry{ID: uuid.UUID(big)}, false); err != nil {
			t.Fatal(n, err)
		}
	}
	if err := r.Put(here, entry(1, ""), false); !errors.Is(err, ErrFull) {
		t.Errorf("one more: %v", err)
	}
	if err := r.Put(here, &Entry{ID: uuid.UUID(big)}, false); err != nil {
		t.Errorf("one that is there: %v", err)
	}
}

// TestRow has a row hold more that is not stale than what is, whatever becomes stale.
func TestRow(t *testing.T) {
	var r row
	for n := range 64 {
		r.push(&kept{change: uint64(n)})
	}
	for left := len(r.list) - 1; left > 0; left-- {
		at := slices.IndexFunc(r.list, func(k *kept) bool { return !k.stale })
		r.list[at].stale = true
		if r.drop(); len(r.list) != left+r.stale || r.stale >= left {
			t.Fatalf("of %d that are kept %d are stale, and %d should not be", len(r.list), r.stale, left)
		}
	}
}
