package gossip

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/zgossipmsg"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/zmtp"
)

// network is one in memory, in virtual time. Node i is host 10.0.0.i; its gossip
// is bound at port 5670, and it says that it is reached at port 1.
type network struct {
	t      *testing.T
	memory *link.Memory
	keys   map[int][32]byte // of the nodes that have one
}

func newNetwork(t *testing.T) *network {
	memory := link.NewMemory(func(from, to string) time.Duration { return time.Millisecond })
	t.Cleanup(func() { time.Sleep(time.Second) }) // virtual: what is under way then arrives
	return &network{t: t, memory: memory}
}

func idOf(i int) uuid.UUID    { return uuid.UUID{15: byte(i), 6: 0x40, 8: 0x80} }
func keyOf(i int) string      { return strings.ToUpper(strings.ReplaceAll(idOf(i).String(), "-", "")) }
func hostOf(i int) string     { return fmt.Sprintf("10.0.0.%d", i) }
func serverOf(i int) string   { return "tcp://" + hostOf(i) + ":5670" }
func endpointOf(i int) string { return "tcp://" + hostOf(i) + ":1" }

// node is a running gossip and what it has sighted.
type node struct {
	*Gossip
	stop func()
	at   atomic.Value // string: where it says that it is reached
	here atomic.Bool  // it says so as the address of each connection instead

	lock     sync.Mutex
	sightMap map[int]int // how often each was sighted, by the last octet of its id
	gone     map[int]int
	keys     map[int][32]byte // that each was sighted with last
	counts   map[string]int
}

func parsed(text string) sight.Endpoint {
	e, _ := sight.Parse(text)
	return e
}

// start starts a gossip that is bound and connects to seeds, published with a
// version.
func (w *network) start(i int, version uint64, seeds ...int) *node {
	w.t.Helper()
	n := &node{sightMap: map[int]int{}, gone: map[int]int{}, keys: map[int][32]byte{}, counts: map[string]int{}}
	config := Config{
		Bind: serverOf(i), Linger: time.Second, Transport: w.memory.Host(hostOf(i)),
		Log: slog.New(slog.DiscardHandler), Random: func(string) float64 { return rand.Float64() },
		Count: func(name string) {
			n.lock.Lock()
			defer n.lock.Unlock()
			n.counts[name]++
		},
	}
	self := sight.Announcement{
		ID: idOf(i), Incarnation: version,
		Reached: func(local net.Addr) sight.Endpoint {
			if n.here.Load() {
				return sight.Endpoint{Address: local.String()}
			}
			key := w.keys[i]
			return parsed(n.at.Load().(string)).With(&key)
		},
	}
	n.at.Store(endpointOf(i))
	for _, seed := range seeds {
		config.Seeds = append(config.Seeds, serverOf(seed))
	}
	var err error
	if n.Gossip, err = Listen(w.t.Context(), config); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := n.Run(ctx, self, n.sighted); err != nil {
			w.t.Errorf("node %d: %v", i, err)
		}
	}()
	n.stop = sync.OnceFunc(func() { cancel(); <-done })
	w.t.Cleanup(n.stop)
	return n
}

// sighted notes what the gossip tells of others.
func (n *node) sighted(list []sight.Sighting) {
	n.lock.Lock()
	defer n.lock.Unlock()
	for _, s := range list {
		if s.Gone {
			n.gone[int(s.ID[15])]++
			continue
		}
		n.sightMap[int(s.ID[15])]++
		delete(n.keys, int(s.ID[15]))
		if key := s.Endpoint.KeyOf(); key != nil {
			n.keys[int(s.ID[15])] = *key
		}
	}
}

// sights returns whom the node has sighted since it was last asked.
func (n *node) sights() []int {
	n.lock.Lock()
	defer n.lock.Unlock()
	ids := slices.Sorted(maps.Keys(n.sightMap))
	clear(n.sightMap)
	return ids
}

func (n *node) wants(t *testing.T, what string, want ...int) {
	t.Helper()
	if got := n.sights(); !slices.Equal(got, want) {
		t.Errorf("%s: sighted %v, want %v", what, got, want)
	}
}

// virtual runs a test in virtual time, with a network.
func virtual(t *testing.T, test func(t *testing.T, w *network)) {
	synctest.Test(t, func(t *testing.T) { test(t, newNetwork(t)) })
}

func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// other is another implementation, played by hand.
type other struct {
	t    *testing.T
	link *link.Link
	got  chan string
}

// dial connects to a node as CZMQ does, without an identity.
func (w *network) dial(host string, to int, identity string) *other {
	w.t.Helper()
	conn, err := w.memory.Host(host).Dial(w.t.Context(), serverOf(to))
	if err != nil {
		w.t.Fatal(err)
	}
	l, err := link.Open(w.t.Context(), conn, link.Config{Type: zmtp.Dealer, Identity: []byte(identity)})
	if err != nil {
		w.t.Fatal(err)
	}
	o := &other{w.t, l, make(chan string, 100)}
	go func() {
		defer close(o.got)
		_ = l.Serve(func(b *link.Batch) error {
			defer b.Release()
			for i := range b.Len() {
				id, _ := zgossipmsg.Peek(b.Message(i)[0])
				line := id.String()
				var p zgossipmsg.Publish
				if p.Decode(b.Message(i)[0], nil) == nil {
					line += " " + p.Key[len(p.Key)-1:] + " " + p.Value
				}
				o.got <- line
			}
			return nil
		})
	}()
	w.t.Cleanup(func() { _ = l.Close() })
	return o
}

func (o *other) says(messages ...zgossipmsg.Message) {
	for _, m := range messages {
		o.send(appendFrame(nil, m))
	}
}

func (o *other) send(frames []byte) {
	o.t.Helper()
	b, err := o.link.Reserve(o.t.Context(), len(frames))
	if err != nil {
		o.t.Fatal(err)
	}
	copy(b, frames)
	o.link.Commit()
}

func (o *other) hears(want ...string) {
	o.t.Helper()
	pass(10 * time.Millisecond)
	got := []string{}
	for len(o.got) > 0 {
		got = append(got, <-o.got)
	}
	if !slices.Equal(got, want) {
		o.t.Errorf("heard %q, want %q", got, want)
	}
}

func publish(i int, value string) *zgossipmsg.Publish {
	return &zgossipmsg.Publish{Key: keyOf(i), Value: value, TTL: 7}
}

// isOpen tells whether a node still converses with another implementation.
func (n *node) isOpen(o *other) (s *session, open bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for s := range n.sessions {
		if s.link.RemoteAddr().String() == o.link.LocalAddr().String() {
			return s, true
		}
	}
	return nil, false
}
