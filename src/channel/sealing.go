package channel

import (
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/onceseal"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/seal"
	"github.com/sjohnr/at-once/src/zmtp"
	"github.com/sjohnr/at-once/src/zre"
)

// ready makes sure that there is a session to seal with for who has shown a badge.
func (p *Path) ready(g *guard.Guard, badge *zre.Badge) error {
	s := &p.sealing
	if s.fresh.Load() == badge {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return p.openLocked(g, badge)
}

// openLocked opens a session if one is due: there is none, the peer has shown another
// card, or the session is old. The caller holds the lock of the sealing.
func (p *Path) openLocked(g *guard.Guard, badge *zre.Badge) error {
	s := &p.sealing
	if s.fresh.Load() == badge {
		return nil
	}
	for stale := true; stale; {
		card := s.shown.Load()
		if card == nil { // nothing goes over this connection: the peer has yet to get one
			return link.ErrClosed
		}
		if badge.Card.Sealing.Key() == nil {
			return p.askLocked(badge.Card.Sealing)
		}
		session, open, err := seal.Open(g.Identity, card, badge.Card, badge.Challenge, g.Serial())
		if err != nil {
			return err
		}
		err = p.aside(len(open), func(b []byte) bool {
			if stale = s.shown.Load() != card; !stale { // else it opens nothing
				p.succeedLocked(session)
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
func (p *Path) askLocked(key *identity.Sealing) error {
	const wait = zremsg.MaxSealingWait * time.Second
	now := time.Now()
	if p.sealing.lacks == nil {
		p.sealing.lacks = &keyless{until: now.Add(wait)}
	}
	lacks := p.sealing.lacks
	if lacks.key != key || now.Sub(lacks.asked) >= wait {
		digest := key.Digest()
		if _, err := p.Control(&zremsg.AskSealing{Digest: digest[:]}, nil, nil, false); err != nil {
			return p.unheard(err)
		}
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
func (p *Path) hand(g *guard.Guard, badge *zre.Badge, key *onceseal.Key) (given uint64, err error) {
	s := &p.sealing
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := p.openLocked(g, badge); err != nil || s.handed[key.Group].opens(key) {
		return s.given.Load(), err
	}
	given = s.given.Add(1)
	err = p.aside(seal.SizeKey(key), func(b []byte) bool { s.session.AppendKey(b[:0], key); return true })
	if err == nil {
		s.handed[key.Group] = handed{true, key.Key, key.Number}
	}
	return given, err
}

// unhand forgets that the peer has the key of a group, which it has left.
func (p *Path) unhand(group string) {
	p.sealing.mu.Lock()
	defer p.sealing.mu.Unlock()
	delete(p.sealing.handed, group)
}

// Handed returns of how many groups the peer has the keys.
func (p *Path) Handed() int {
	p.sealing.mu.Lock()
	defer p.sealing.mu.Unlock()
	return len(p.sealing.handed)
}

// Session runs use with the session that seals what is said, which is nil before the first
// is opened, while nobody else uses it.
func (p *Path) Session(use func(*seal.Sender)) {
	p.Locked(func() { use(p.sealing.session) })
}

// age replaces a session that is old. It does not wait for the next message: the key
// opens what was said, and both ends hold it until there is another.
func (p *Path) age(g *guard.Guard, badge *zre.Badge, now time.Time) error {
	s := &p.sealing
	s.mu.Lock()
	defer s.mu.Unlock()
	// The wall clock, which the second takes, goes on while the machine sleeps, but may be set back.
	old := max(now.Sub(s.opened), now.Round(0).Sub(s.opened))
	if s.fresh.Load() == nil || old < seal.MaxAge {
		return nil
	}
	s.fresh.Store(nil)
	return p.openLocked(g, badge)
}

// aside queues a whisper of one frame of so many octets, which put fills in, unless it finds
// that it is in vain. It never waits.
func (p *Path) aside(octets int, put func([]byte) bool) error {
	var message zremsg.Whisper
	b, err := p.ReserveControl(zmtp.FrameSize(message.Size()) + zmtp.FrameSize(octets))
	if err != nil {
		return p.unheard(err)
	}
	if !put(b[len(b)-octets:]) {
		p.Cancel(b)
		return nil
	}
	p.asideLocked(p.EndLocked(), len(b))
	p.count++
	p.sequence++
	message.Sequence = p.sequence
	head, err := message.AppendTo(zmtp.AppendHeader(b[:0], message.Size(), true))
	zmtp.AppendHeader(head, octets, false)
	p.Commit()
	return err
}

// sealIntoLocked appends content to b, sealed, as what the application says or as a message of
// once_ask. The caller holds the outbox.
func (p *Path) sealIntoLocked(b []byte, content [][]byte, exchange bool) {
	if exchange {
		p.sealing.session.AppendExchange(b, content)
	} else {
		p.sealing.session.Append(b, content)
	}
	p.spendLocked()
}

// proveLocked fills b with the proof of a shout. The caller holds the outbox.
func (p *Path) proveLocked(b, digest []byte) {
	p.sealing.session.AppendProof(b[:0], digest)
	p.spendLocked()
}

func (p *Path) spendLocked() {
	if p.sealing.session.Spent() {
		p.sealing.fresh.Store(nil)
	}
}
