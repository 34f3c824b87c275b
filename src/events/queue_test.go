package events

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/zre"
)

// known is what an application makes of the events: who is here, in which groups, and who
// is suspect.
type known struct {
	groups  map[uuid.UUID][]string
	suspect map[uuid.UUID]bool
}

func nothing() *known {
	return &known{map[uuid.UUID][]string{}, map[uuid.UUID]bool{}}
}

// take takes an event in, and tells whether it can come now.
func (k *known) take(kind api.EventType, id uuid.UUID, group string) bool {
	groups, here := k.groups[id]
	in := slices.Contains(groups, group)
	switch kind {
	case api.EventTypeEnter:
		k.groups[id] = nil
		return !here
	case api.EventTypeExit:
		delete(k.groups, id)
		delete(k.suspect, id)
		return here
	case api.EventTypeSuspect, api.EventTypeRecover:
		ok := here && k.suspect[id] == (kind == api.EventTypeRecover)
		if delete(k.suspect, id); kind == api.EventTypeSuspect {
			k.suspect[id] = true
		}
		return ok
	case api.EventTypeChanged:
		return here
	case api.EventTypeJoin:
		k.groups[id] = slices.Sorted(slices.Values(append(slices.Clone(groups), group)))
		return here && !in
	case api.EventTypeLeave:
		k.groups[id] = slices.DeleteFunc(slices.Clone(groups), func(g string) bool { return g == group })
		return here && in
	}
	return here && in // leads the group
}

func (k *known) String() string {
	here := map[string][]string{}
	for id, groups := range k.groups {
		here[id.String()] = groups
	}
	return fmt.Sprint(here, k.suspect)
}

// TestTidingsThatCancelOut has much happen while the application reads now and then:
// what it reads follows, ends with what there is, and is not much more than that.
func TestTidingsThatCancelOut(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		q, truth, told := New(1+random.IntN(8)), nothing(), nothing()
		names, seen := map[uuid.UUID]string{}, map[uuid.UUID]string{} // what changes of a peer, and as it was told
		see := func(e *Event) {
			if e.Type() == api.EventTypeEnter || e.Type() == api.EventTypeChanged {
				seen[e.Peer().UUID()] = e.Peer().Name()
			}
		}
		read := func() {
			e, err := q.Recv(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			see(e)
			if !told.take(e.Type(), e.Peer().UUID(), e.Group()) {
				t.Fatalf("seed %d: %s of %s %q cannot come now: %v", seed, e.Type(), e.Peer().UUID(), e.Group(), told)
			}
		}
		waiting := 0
		for i := range 500 {
			id, group := uuid.UUID{1 + byte(random.IntN(4))}, fmt.Sprint(random.IntN(3))
			kind := api.EventType(1 + random.IntN(int(api.EventTypeLeader)+1))
			if kind > api.EventTypeLeader {
				kind = api.EventTypeChanged
			}
			after := &known{maps.Clone(truth.groups), maps.Clone(truth.suspect)}
			if kind == api.EventTypeWhisper || kind == api.EventTypeShout || !after.take(kind, id, group) {
				continue
			}
			truth = after
			if kind == api.EventTypeChanged {
				names[id] = fmt.Sprint(i)
			}
			q.Post(Facts{Type: kind, Peer: zre.Stranger(id, names[id], sight.Endpoint{}), Group: group})
			if waiting = q.tidings; random.IntN(10) == 0 && waiting > 0 {
				read()
			}
			if q.tidings > 100 {
				t.Fatalf("seed %d: %d tidings wait", seed, q.tidings)
			}
		}
		q.Close()
		for {
			e, err := q.Recv(t.Context())
			if errors.Is(err, api.ErrStopped) {
				break
			}
			if err == nil {
				see(e)
			}
			if err != nil || !told.take(e.Type(), e.Peer().UUID(), e.Group()) {
				t.Fatalf("seed %d: %v, or cannot come now: %v", seed, err, told)
			}
		}
		if told.String() != truth.String() {
			t.Errorf("seed %d: told %v, but it is %v", seed, told, truth)
		}
		for id := range truth.groups {
			if seen[id] != names[id] {
				t.Errorf("seed %d: %v was told as %q, and is %q", seed, id, seen[id], names[id])
			}
		}
	}
}

// TestNoticesAreForgotten keeps the latest events of those that are about no peer.
func TestNoticesAreForgotten(t *testing.T) {
	q := New(MaxNotices + 1)
	for i := range 10 * MaxNotices {
		q.Post(Facts{Type: api.EventTypeNetwork, Text: fmt.Sprint(i)})
	}
	q.Close()
	var last string
	n := 0
	for ; ; n++ {
		e, err := q.Recv(t.Context())
		if err != nil {
			break
		}
		last = e.Reason()
	}
	if n > 3*MaxNotices || last != fmt.Sprint(10*MaxNotices-1) {
		t.Errorf("%d are left, the last is %s", n, last)
	}
}

// TestWaitEnds has a wait for events end with its context.
func TestWaitEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := New(1).RecvBatch(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestChangesAreForgotten has a peer change much while nobody reads: the last change is told.
func TestChangesAreForgotten(t *testing.T) {
	q, id, last := New(8), uuid.UUID{1}, ""
	for i := range 1000 {
		last = fmt.Sprint(i)
		q.Post(Facts{Type: api.EventTypeChanged, Peer: zre.Stranger(id, last, sight.Endpoint{})})
		if q.tidings > 32 {
			t.Fatalf("%d tidings wait", q.tidings)
		}
	}
	q.Close()
	told := ""
	for {
		e, err := q.Recv(t.Context())
		if err != nil {
			break
		}
		told = e.Peer().Name()
	}
	if told != last {
		t.Errorf("the last that is told is %s, want %s", told, last)
	}
}

// TestReturn has content come back, which neither waits nor makes others wait: it keeps its
// place among tidings, however many cancel out around it, and is where it was until it is
// read, a run at a time. Who taps the queue gets it at once.
func TestReturn(t *testing.T) {
	q := New(8)
	q.Limit(1)
	tap := New(8)
	tap.Limit(1 << 20)
	q.Tap(tap, time.Time{})
	peer := zre.Stranger(uuid.UUID{1}, "ben", sight.Endpoint{})
	post := func(kind api.EventType) { q.Post(Facts{Type: kind, Peer: peer}) }
	fact := func(octets int) Facts {
		return Facts{Type: api.EventTypeUndelivered, Peer: peer, Content: [][]byte{make([]byte, octets)}}
	}
	runs := [][]int{{}, {500, 600}, {}, {700}} // some of what comes back is no content
	take := func(b *Batch) bool {
		for _, octets := range runs[0] {
			b.Add(fact(octets))
		}
		runs = runs[1:]
		return len(runs) > 0
	}
	look := func(do func([]Facts)) {
		for _, run := range runs {
			for _, octets := range run {
				do([]Facts{fact(octets)})
			}
		}
	}
	post(api.EventTypeEnter)
	if !q.Return(peer, take, look) || len(runs) != 4 {
		t.Fatal("it is taken before it is read")
	}
	post(api.EventTypeExit)
	for range 100 {
		post(api.EventTypeEnter)
		post(api.EventTypeExit)
	}
	for _, c := range []struct {
		of   *Queue
		want string
	}{{q, "enter 0, undelivered 500, undelivered 600, undelivered 700, exit 0"}, {tap, "enter 0, undelivered 500, undelivered 600, undelivered 700, exit 0"}} {
		var got []string
		for len(got) == 0 || !strings.HasPrefix(got[len(got)-1], "exit") {
			e, err := c.of.Recv(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(e.Type(), " ", len(slices.Concat(e.Msg()...))))
		}
		if got := strings.Join(got, ", "); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	q.Close()
	if q.Return(peer, take, look) {
		t.Error("content comes back to who has ended")
	}
}
