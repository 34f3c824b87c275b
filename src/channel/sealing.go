package channel

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/onceseal"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/seal"
	"github.com/sjohnr/at-once/src/zre"
)

// sealing is the sending end of the sealed sessions on a stream.
type sealing struct {
	stream  *stream
	shown   atomic.Pointer[identity.Card] // ours that the peer knows
	fresh   atomic.Pointer[zre.Badge]     // that the session was opened for; nil if another is due
	session *seal.Sender                  // guarded as stream.sequence is
	kept    kept                          // guarded so too

	mu     sync.Mutex // guards what follows; while it is held, nothing waits
	badge  *zre.Badge // that the latest session was opened for
	opened time.Time
	handed map[string]handed // the keys of groups that the peer has

	lacks *keyless // that the session could not be opened of late; nil if it was

	given atomic.Uint64 // how many keys of groups were; it grows before the next is in the outbox
}

// ready makes sure that there is a session to seal with for who has shown a badge.
func (s *sealing) ready(g *guard.Guard, badge *zre.Badge) error {
	if s.fresh.Load() == badge {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.openLocked(g, badge)
}

// openLocked opens a session if one is due: there is none, the peer has shown another
// card, or the session is old. The caller holds the lock of the sealing.
func (s *sealing) openLocked(g *guard.Guard, badge *zre.Badge) error {
	if s.fresh.Load() == badge {
		return nil
	}
	for stale := true; stale; {
		card := s.shown.Load()
		if card == nil { // nothing goes over this connection: the peer has yet to get one
			return link.ErrClosed
		}
		if badge.Card.Sealing.Key() == nil {
			return s.askLocked(badge.Card.Sealing)
		}
		session, open, err := seal.Open(g.Identity, card, badge.Card, badge.Challenge, g.Serial())
		if err != nil {
			return err
		}
		err = s.stream.aside(len(open), func(b []byte) bool {
			if stale = s.shown.Load() != card; !stale { // else it opens nothing
				s.succeedLocked(session)
				copy(b, open)
			}
			return !stale
		})
		if err != nil {
			return err
		}
	}
	if s.badge != badge {
		s.badge, s.handed = badge, map[string]handed{}
	}
	s.opened, s.lacks = time.Now(), nil
	s.fresh.Store(badge)
	return nil
}

// keyless is the error for content that cannot be sealed, because the peer's key is not
// known, but may come.
type keyless struct {
	key   *identity.Sealing
	asked time.Time // when the peer was asked for it last
	until time.Time // when waiting for it is over
}

func (*keyless) Error() string { return api.ErrNoKey.Error() }
func (*keyless) Unwrap() error { return api.ErrNoKey }

// askLocked asks the peer for its sealing key, once in a while, and returns an error that
// says how long to wait for it. The time for that counts from the first one that lacks, so
// that a peer which shows one card after another is not waited for any longer. The caller
// holds the lock of the sealing.
func (s *sealing) askLocked(key *identity.Sealing) error {
	const wait = zremsg.MaxSealingWait * time.Second
	now := time.Now()
	if s.lacks == nil {
		s.lacks = &keyless{until: now.Add(wait)}
	}
	lacks := s.lacks
	if lacks.key != key || now.Sub(lacks.asked) >= wait {
		digest := key.Digest()
		if _, err := s.stream.control(&zremsg.AskSealing{Digest: digest[:]}, nil); err != nil {
			return s.stream.unheard(err)
		}
		s.stream.Commit()
		lacks.key, lacks.asked = key, now
	}
	missing := *lacks
	return &missing
}

// handed is the latest key of a group that the peer has, and from which message on it opens.
type handed struct {
	given       bool
	key, number uint64
}

// opens tells whether it opens what a key is for. A shout that had to wait may come after
// others, and is from before a key that was given meanwhile.
func (h handed) opens(key *onceseal.Key) bool {
	return h.given && h.key == key.Key && h.number <= key.Number
}

// hand gives the peer the key of a group, unless it has it, and returns how many were given
// by then. As long as that is so it opens what the key is for: of each group the peer keeps
// the latest keys only.
func (s *sealing) hand(g *guard.Guard, badge *zre.Badge, key *onceseal.Key) (given uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.openLocked(g, badge); err != nil || s.handed[key.Group].opens(key) {
		return s.given.Load(), err
	}
	given = s.given.Add(1)
	err = s.stream.aside(seal.SizeKey(key), func(b []byte) bool { s.session.AppendKey(b[:0], key); return true })
	if err == nil {
		s.handed[key.Group] = handed{true, key.Key, key.Number}
	}
	return given, err
}

// unhand forgets that the peer has the key of a group, which it has left.
func (s *sealing) unhand(group string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.handed, group)
}

// keys returns of how many groups the peer has the keys.
func (s *sealing) keys() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.handed)
}

// age replaces a session that is old. It does not wait for the next message: the key
// opens what was said, and both ends hold it until there is another.
func (s *sealing) age(g *guard.Guard, badge *zre.Badge, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	// The wall clock, which the second takes, goes on while the machine sleeps, but may be set back.
	old := max(now.Sub(s.opened), now.Round(0).Sub(s.opened))
	if s.fresh.Load() == nil || old < seal.MaxAge {
		return nil
	}
	s.fresh.Store(nil)
	return s.openLocked(g, badge)
}

// sealIntoLocked appends content to b, sealed, as what the application says or as a message of
// once_ask. The caller holds the outbox.
func (s *sealing) sealIntoLocked(b []byte, content [][]byte, exchange bool) {
	if exchange {
		s.session.AppendExchange(b, content)
	} else {
		s.session.Append(b, content)
	}
	s.spendLocked()
}

// proveLocked fills b with the proof of a shout. The caller holds the outbox.
func (s *sealing) proveLocked(b, digest []byte) {
	s.session.AppendProof(b[:0], digest)
	s.spendLocked()
}

func (s *sealing) spendLocked() {
	if s.session.Spent() {
		s.fresh.Store(nil)
	}
}

// succeedLocked has another session seal from now on. The caller holds the outbox.
func (s *sealing) succeedLocked(session *seal.Sender) {
	if s.stream.lasts && s.session != nil {
		s.kept.succeed(s.session, s.stream.contentEnd, s.stream.KnownLocked())
	}
	s.session = session
}

// keepLocked keeps what opens a shout again that begins at a position, if it may come back. The
// caller holds the outbox.
func (s *sealing) keepLocked(at uint64, key *seal.Key) {
	if s.stream.lasts {
		s.kept.keep(at, key)
	}
}
