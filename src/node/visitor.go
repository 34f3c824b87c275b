package node

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/guard"
)

// Visitor is another program that shares a node. What is said through it and not
// delivered, its Flush tells; its groups are the node's as well.
type Visitor struct {
	*Node
	told    *events.Queue
	account *account
}

// Visit lets a program share a node that runs. It is told of the events from then on, and
// first of an enter for each peer that is present.
func (n *Node) Visit(told *events.Queue) (*Visitor, error) {
	if n.Brief {
		return nil, api.ErrBrief
	}
	v := &Visitor{n, told, newAccount()}
	return v, n.while(func(l *loop) {
		l.accounts = append(l.accounts, v.account)
		v.introduce(l)
	})
}

// introduce tells the program of all who are present, and from then on of what happens.
func (v *Visitor) introduce(l *loop) {
	post := func(e events.Facts) {
		e.At, e.Version = time.Now(), l.version
		v.told.Post(e)
	}
	for _, p := range sorted(l.all()) {
		post(events.Facts{Type: api.EventTypeEnter, Peer: p})
		for _, group := range p.Groups() {
			post(events.Facts{Type: api.EventTypeJoin, Peer: p, Group: group})
		}
		if p.Suspect() {
			post(events.Facts{Type: api.EventTypeSuspect, Peer: p})
		}
	}
	for group, p := range l.leaders() {
		post(events.Facts{Type: api.EventTypeLeader, Peer: p, Group: group})
	}
	l.events.Tap(v.told, time.Now().Add(-guard.RefusalLife))
}

func (v *Visitor) Whisper(ctx context.Context, peer uuid.UUID, content [][]byte) error {
	if err := v.speaks(peer); err != nil {
		return err
	}
	return v.Node.Whisper(ctx, peer, content)
}

// speaks notes that the program says something to a peer.
func (v *Visitor) speaks(peer uuid.UUID) error {
	return v.while(func(*loop) { v.account.peers[peer] = struct{}{} })
}

// Question queues a question, and returns what waits for the answer, to be called once.
func (v *Visitor) Question(ctx context.Context, peer uuid.UUID, content [][]byte) (func(context.Context) (*Event, error), error) {
	if err := v.speaks(peer); err != nil {
		return nil, err
	}
	asked, err := v.Node.Question(ctx, peer, content)
	if err != nil {
		return nil, err
	}
	return asked.Answer, nil
}

func (v *Visitor) Reply(ctx context.Context, question uint64, status uint32, content [][]byte) error {
	if peer, waits := v.questions.asker(question); waits {
		if err := v.speaks(peer); err != nil {
			return err
		}
	}
	return v.Node.Reply(ctx, question, status, content)
}

// Shout notes who is in the group, before one of them is gone, and the group, for who joins
// it meanwhile.
func (v *Visitor) Shout(ctx context.Context, group string, content [][]byte) (uint32, error) {
	if err := v.while(func(l *loop) {
		v.account.groups[group] = struct{}{}
		for _, member := range l.members(group) {
			v.account.peers[member.Peer().UUID()] = struct{}{}
		}
	}); err != nil {
		return 0, err
	}
	return v.Node.Shout(ctx, group, content)
}

func (v *Visitor) Flush(ctx context.Context) error { return v.flush(ctx, v.account) }

func (v *Visitor) Join(group string) error {
	return v.try(func(l *loop) error { return l.enroll(v.account, group) })
}

func (v *Visitor) Leave(group string) error {
	return v.while(func(l *loop) { l.depart(v.account, group) })
}

// Quit takes leave of the program.
func (v *Visitor) Quit() {
	v.events.Untap(v.told)
	_ = v.while(func(l *loop) { // a node that has stopped is in no group
		l.forget(v.account)
		for group := range v.account.in {
			l.depart(v.account, group)
		}
	})
}
