package node

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/onceseal"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/seal"
	"github.com/sjohnr/at-once/src/zmtp"
	"github.com/sjohnr/at-once/src/zre"
)

// sealer is the sending end of the sealed sessions on a connection. A connection
// that is lost takes its session with it.
type sealer struct {
	shown   atomic.Pointer[identity.Card] // ours that the peer knows
	fresh   atomic.Pointer[zre.Badge]     // that the session was opened for; nil if another is due
	session *seal.Sender                  // guarded as outbound.sequence is

	mu     sync.Mutex // guards what follows; while it is held, nothing waits
	badge  *zre.Badge // that the latest session was opened for
	opened time.Time
	handed map[string]uint64 // the keys of groups that the peer has
}

// seals tells whether content for a peer is sealed: it has a card, and the
// connection is not encrypted.
func (r *remote) seals() bool { return r.badge().Seals() }

func (r *remote) badge() *zre.Badge { return r.snapshot.Load().Badge() }

// ready makes sure that there is a session to seal with on a connection.
func (n *Node) ready(r *remote, out *outbound) error {
	s := &out.sealer
	if s.fresh.Load() == r.badge() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return n.open(r, out)
}

// open opens a session if one is due: there is none, the peer has shown another
// card, or the session is old. The caller holds the sealer's lock.
func (n *Node) open(r *remote, out *outbound) error {
	s, badge := &out.sealer, r.badge()
	if s.fresh.Load() == badge {
		return nil
	}
	for stale := true; stale; {
		card := s.shown.Load()
		if card == nil { // nothing goes over this connection: the peer has yet to get one
			return link.ErrClosed
		}
		session, open, err := seal.Open(n.guard.Identity, card, badge.Card, badge.Challenge, n.guard.Serial())
		if err != nil {
			return err
		}
		err = n.aside(out, len(open), func(b []byte) {
			stale = s.shown.Load() != card // then it opens nothing, and another follows
			s.session = session
			copy(b, open)
		})
		if err != nil {
			return err
		}
	}
	if s.badge != badge {
		s.badge, s.handed = badge, map[string]uint64{}
	}
	s.opened = time.Now()
	s.fresh.Store(badge)
	return nil
}

// hand gives a peer the key of a group, unless it has it.
func (n *Node) hand(r *remote, out *outbound, key *onceseal.Key) error {
	s := &out.sealer
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := n.open(r, out); err != nil || s.handed[key.Group] == key.Key {
		return err
	}
	err := n.aside(out, seal.SizeKey(key), func(b []byte) { s.session.AppendKey(b[:0], key) })
	if err == nil {
		s.handed[key.Group] = key.Key
	}
	return err
}

// aside queues a whisper of one frame of so many octets, which put fills in. It
// never waits: a peer that takes nothing at all gets a fresh connection.
func (n *Node) aside(out *outbound, octets int, put func([]byte)) error {
	var message zremsg.Whisper
	b, err := out.ReserveControl(zmtp.FrameSize(message.Size()) + zmtp.FrameSize(octets))
	if err != nil {
		if errors.Is(err, link.ErrOverflow) {
			n.count("control overflows")
			_ = n.while(func() { n.closeSoon(out.Link) }) // a node that stops closes all of them
			err = link.ErrClosed
		}
		return err
	}
	out.count++
	out.sequence++
	message.Sequence = out.sequence
	frame, err := message.AppendTo(zmtp.AppendHeader(b[:0], message.Size(), true))
	zmtp.AppendHeader(frame, octets, false)
	put(b[len(b)-octets:])
	out.Commit()
	return err
}

// sealInto appends content to b, sealed. The caller holds the connection's outbox.
func (s *sealer) sealInto(b []byte, content [][]byte) {
	s.session.Append(b, content)
	s.spend()
}

// prove fills b with the proof of a shout. The caller holds the connection's outbox.
func (s *sealer) prove(b, digest []byte) {
	s.session.AppendProof(b[:0], digest)
	s.spend()
}

func (s *sealer) spend() {
	if s.session.Spent() {
		s.fresh.Store(nil)
	}
}

// age replaces a session that is old. It does not wait for the next message: the key
// opens what was said, and both ends hold it until there is another.
func (n *Node) age(r *remote, out *outbound, now time.Time) {
	s := &out.sealer
	s.mu.Lock()
	defer s.mu.Unlock()
	// The wall clock, which the second takes, goes on while the machine sleeps, but may be set back.
	old := max(now.Sub(s.opened), now.Round(0).Sub(s.opened))
	if s.fresh.Load() == nil || old < seal.MaxAge {
		return
	}
	s.fresh.Store(nil)
	if err := n.open(r, out); err != nil {
		n.log(r.id).Debug("session is not replaced", "error", err)
	}
}

// sealedGroup is what seals shouts to a group.
type sealedGroup struct {
	mu      sync.Mutex // held from the sealing of a shout until it is queued, so that they arrive in order
	sender  *seal.GroupSender
	members []*remote // that the latest shout went to
}

// sealedGroups are those that the node has shouted to.
type sealedGroups struct {
	sync.Mutex
	groups map[string]*sealedGroup
}

// group returns what seals shouts to a group, locked.
func (n *Node) group(name string) (*sealedGroup, error) {
	n.sealed.Lock()
	g := n.sealed.groups[name]
	if g == nil {
		sender, err := seal.NewGroup(n.guard.ID, name)
		if err != nil {
			n.sealed.Unlock()
			return nil, err
		}
		g = &sealedGroup{sender: sender}
		n.sealed.groups[name] = g
	}
	n.sealed.Unlock()
	g.mu.Lock()
	return g, nil
}

// regroup draws another key if somebody is no longer a member. The caller holds
// the group's lock.
func (g *sealedGroup) regroup(members []*remote) error {
	same := len(g.members) == len(members) && len(members) > 0 && &g.members[0] == &members[0]
	if same {
		return nil
	}
	stays := make(map[*remote]bool, len(members))
	for _, r := range members {
		stays[r] = true
	}
	was := g.members
	g.members = members
	for _, r := range was {
		if !stays[r] {
			return g.sender.Redraw()
		}
	}
	return nil
}

// ungroup forgets those of groups that have no members any more.
func (n *Node) ungroup(names ...string) {
	n.sealed.Lock()
	defer n.sealed.Unlock()
	for _, name := range names {
		if len(n.table.members(name)) == 0 {
			delete(n.sealed.groups, name)
		}
	}
}

// unhand forgets that a peer has the key of a group, which it has left.
func (n *Node) unhand(peer uuid.UUID, group string) {
	if out := n.table.find(peer).out.Load(); out != nil {
		out.sealer.mu.Lock()
		delete(out.sealer.handed, group)
		out.sealer.mu.Unlock()
	}
}
