package node

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zre"
)

// table holds the peers that are present and who is in which group, for those
// who send. The loop writes it; any goroutine reads it.
type table struct {
	mu     sync.RWMutex
	peers  map[uuid.UUID]*remote
	groups map[string][]*remote // each list is replaced, never changed
}

// remote is a peer that is present, as the data path sees it.
type remote struct {
	id        uuid.UUID
	challenge []byte // what its sessions have to answer
	snapshot  atomic.Pointer[Peer]
	out       atomic.Pointer[outbound] // nil once the peer is gone
	session   atomic.Uint64            // number of the latest that it opened
	sequence  atomic.Uint32            // of the latest message over a connection that has ended
	skipped   tally                    // shouts that it did not get: it was suspect and had no room
	withheld  tally                    // shouts that were not for it: only what is sealed is said there
	doubt     atomic.Pointer[doubt]
	heir      zre.LinkID // the loop's: the latest connection that may go on without a greeting
}

// outbound is our connection to a peer and the ZRE session on it.
type outbound struct {
	*link.Link
	nonces   guard.Nonces
	sequence uint16        // of the latest message; guarded by Link.Reserve to Commit
	said     amount        // content; guarded likewise
	count    uint64        // messages of all kinds; guarded likewise
	latest   uint64        // count at the latest content; guarded likewise
	replaced chan struct{} // closed when the peer has another connection, or none
	sealer   sealer

	// The loop's own.
	taken     uint64   // octets that the peer had taken when last looked
	owes      bool     // and there were some that it had not
	asked     []amount // what was said before each time that the peer was asked and has not answered
	answers   int
	confirmed amount // what was said before the latest answer
}

func newTable() *table {
	return &table{peers: map[uuid.UUID]*remote{}, groups: map[string][]*remote{}}
}

func (t *table) find(id uuid.UUID) *remote {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.peers[id]
}

// members returns who is in a group. The list does not change.
func (t *table) members(group string) []*remote {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.groups[group]
}

// sorted returns snapshots of peers, in the order of their UUIDs.
func sorted(of []*remote) []*Peer {
	peers := make([]*Peer, len(of))
	for i, r := range of {
		peers[i] = r.snapshot.Load()
	}
	slices.SortFunc(peers, func(a, b *Peer) int {
		x, y := a.UUID(), b.UUID()
		return bytes.Compare(x[:], y[:])
	})
	return peers
}

func (t *table) all() []*remote {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return slices.Collect(maps.Values(t.peers))
}

func (t *table) groupNames() []string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return slices.Sorted(maps.Keys(t.groups))
}

// enter takes in a peer, to which nothing goes before it has a connection by relink.
func (t *table) enter(p *Peer, challenge []byte) {
	r := &remote{id: p.UUID(), challenge: challenge}
	r.recovered()
	r.snapshot.Store(p)
	r.out.Store(&outbound{Link: link.Ended(), replaced: make(chan struct{})})
	t.mu.Lock()
	t.peers[r.id] = r
	t.mu.Unlock()
}

func (t *table) exit(id uuid.UUID) {
	t.mu.Lock()
	r := t.peers[id]
	delete(t.peers, id)
	for _, group := range r.snapshot.Load().Groups() {
		t.drop(group, r)
	}
	t.mu.Unlock()
	close(r.out.Swap(nil).replaced)
}

func (t *table) join(id uuid.UUID, group string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.groups[group] = append(slices.Clip(t.groups[group]), t.peers[id])
}

func (t *table) leave(id uuid.UUID, group string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(group, t.peers[id])
}

// drop takes a peer out of a group; the caller holds the lock.
func (t *table) drop(group string, r *remote) {
	members := slices.DeleteFunc(slices.Clone(t.groups[group]), func(m *remote) bool { return m == r })
	if len(members) == 0 {
		delete(t.groups, group)
		return
	}
	t.groups[group] = members
}

// relink gives a peer that is present another connection.
func (r *remote) relink(out *outbound) {
	close(r.out.Swap(out).replaced)
}

// reserve waits for room in the queue of the peer's connection, and, if that is
// lost, for the next. First it does what prepares a connection for the message. The
// caller fills in what it gets and calls Commit on the connection.
func (r *remote) reserve(ctx context.Context, octets int, prepare func(*outbound) error) (*outbound, []byte, error) {
	for {
		out := r.out.Load()
		if out == nil {
			return nil, nil, api.ErrNoPeer
		}
		var b []byte
		err := prepare(out)
		if err == nil {
			b, err = out.Reserve(ctx, octets)
		}
		if err == nil {
			return out, b, nil
		}
		if !errors.Is(err, net.ErrClosed) {
			return nil, nil, err
		}
		select {
		case <-out.replaced:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// doubt is whether a peer is suspect: then it ends.
type doubt struct {
	context.Context
	begin context.CancelFunc
}

// suspected ends waits for room of which suspect peers have none.
func (r *remote) suspected() { r.doubt.Load().begin() }

func (r *remote) recovered() {
	d := new(doubt)
	d.Context, d.begin = context.WithCancel(context.Background())
	if last := r.doubt.Swap(d); last != nil {
		last.begin()
	}
}

// unlessSuspect returns a context that ends with ctx, when the peer is suspect, or
// when over is called.
func (r *remote) unlessSuspect(ctx context.Context) (wait context.Context, over func()) {
	wait, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(r.doubt.Load(), cancel)
	return wait, func() { stop(); cancel() }
}
