package channel

import (
	"context"
	"fmt"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/seal"
	"github.com/sjohnr/at-once/src/zmtp"
)

// Sender is what a node has to say things to its peers. Its methods are safe for
// concurrent use.
type Sender struct {
	guard      *guard.Guard
	maxMessage int                 // octets
	only       map[string]struct{} // groups in which nothing plain is said
	members    func(group string) []*Channel
	running    func() error // why the node does not run, if so
	sum        *link.Sum    // that what is said counts in
	strained   func()       // called when suspect peers have too much of that
	groups     groups
}

// NewSender returns the sender of a node. A message may have so many octets, in the groups
// of only nothing plain is said, members returns who is in a group, as a list that does
// not change, and running why the node does not run, if so. What is said counts in a sum, and
// strained is called, in any goroutine, when suspect peers have more than their share of that.
func NewSender(g *guard.Guard, maxMessage int, only map[string]struct{}, members func(string) []*Channel, running func() error, sum *link.Sum, strained func()) *Sender {
	return &Sender{guard: g, maxMessage: maxMessage, only: only, members: members, running: running, sum: sum, strained: strained, groups: groups{named: map[string]*group{}}}
}

// relieve has room made if suspect peers have too much.
func (s *Sender) relieve() {
	if s.sum.Strained() {
		s.strained()
	}
}

// Whisper queues a message for one peer. It copies the content, and waits while the peer's
// queue is full. Errors are those of ctx, api.ErrArgument, api.ErrTooLarge, and
// api.ErrNoPeer for a peer that is gone.
func (s *Sender) Whisper(ctx context.Context, to *Channel, content [][]byte) error {
	_, err := s.say(ctx, to, content, false)
	return err
}

// say is Whisper, also for what a message of once_ask is made of, and returns where to find
// what was said.
func (s *Sender) say(ctx context.Context, to *Channel, content [][]byte, exchange bool) (Place, error) {
	var message zremsg.Whisper
	octets, err := s.measure(message.Size(), content)
	if err != nil {
		return Place{}, err
	}
	sealed := to.seals()
	if sealed {
		if octets, err = s.measureSealed(message.Size(), content); err != nil {
			return Place{}, err
		}
	}
	p, b, err := to.reserve(ctx, octets, func(p *Path) error {
		if exchange && !p.lasts && p.Link() != nowhere {
			return api.ErrNoQuestions
		}
		if sealed {
			return p.sealing.ready(s.guard, to.badge())
		}
		return nil
	})
	if err != nil {
		return Place{}, err
	}
	p.sayLocked(octets)
	place := Place{p, p.contentEnd}
	head := zmtp.AppendHeader(b[:0], message.Size(), true)
	if exchange && !sealed {
		head, err = (&zremsg.Exchange{Sequence: p.sequence}).AppendTo(head)
	} else {
		message.Sequence = p.sequence
		head, err = message.AppendTo(head)
	}
	if sealed {
		p.sealing.sealIntoLocked(zmtp.AppendHeader(head, seal.Size(content), false), content, exchange)
	} else {
		AppendContent(head, content)
	}
	p.Commit()
	s.relieve()
	return place, err
}

// measure returns how many octets a message takes on the wire.
func (s *Sender) measure(head int, content [][]byte) (int, error) {
	if len(content) == 0 {
		return 0, api.ErrArgument
	}
	wire, octets := SizeOf(head, content)
	if octets > s.maxMessage || len(content) > zremsg.MaxWhisperContent {
		return 0, s.tooLarge(octets, content)
	}
	return wire, nil
}

// measureSealed is measure for a message whose content is sealed.
func (s *Sender) measureSealed(head int, content [][]byte) (int, error) {
	size := seal.Size(content)
	if head+size > s.maxMessage {
		return 0, s.tooLarge(head+size, content)
	}
	return zmtp.FrameSize(head) + zmtp.FrameSize(size), nil
}

// tooLarge says how large a message is, with all that goes with its content, and may be.
func (s *Sender) tooLarge(octets int, content [][]byte) error {
	return fmt.Errorf("%w; it has %d octets in %d frames, and %d octets in %d frames are the most",
		api.ErrTooLarge, octets, len(content), s.maxMessage, zremsg.MaxWhisperContent)
}

// Groups returns to how many groups the node seals what it shouts.
func (s *Sender) Groups() int {
	s.groups.mu.Lock()
	defer s.groups.mu.Unlock()
	return len(s.groups.named)
}

// Forget forgets those of groups that have no members any more.
func (s *Sender) Forget(names ...string) {
	s.groups.mu.Lock()
	defer s.groups.mu.Unlock()
	for _, name := range names {
		if len(s.members(name)) == 0 {
			delete(s.groups.named, name)
		}
	}
}
