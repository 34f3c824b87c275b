package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncecontrol"
	"github.com/sjohnr/at-once/src/control"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/guard"
)

// host is a node that runs, for the programs that share it.
type host struct{ *Node }

// errSubject says that a program asks for what this version does not know.
var errSubject = errors.New("the process that runs the node knows no such subject: use programs of one release")

// ask asks of a subject where another process runs the node, and tells whether one does.
func (n *Node) ask(ctx context.Context, subject string, argument []byte) (values map[string]string, there bool, err error) {
	return elsewhere(n, func(far *control.Client) (map[string]string, error) { return far.Ask(ctx, subject, argument) })
}

// askKnown is ask for what the node knows at once.
func (n *Node) askKnown(subject string, argument []byte) (values map[string]string, there bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), oncecontrol.MaxAnswering*time.Millisecond)
	defer cancel()
	return n.ask(ctx, subject, argument)
}

// numbers reads what figures has written down.
func numbers(values map[string]string) map[string]uint64 {
	numbers := map[string]uint64{}
	for name, value := range values {
		if number, err := strconv.ParseUint(value, 10, 64); err == nil {
			numbers[name] = number
		}
	}
	return numbers
}

// Ask answers what programs ask that share the node: each subject is a case here, and is
// named in the model.
func (h host) Ask(ctx context.Context, subject string, argument []byte) (map[string]string, error) {
	switch subject {
	case "counts":
		return figures(h.counters.all(), nil)
	case "gossip servers":
		return h.GossipServers(), nil
	case "protection":
		level := h.guard.Level
		return figures(map[string]uint64{"security": uint64(level.Security), "trust": uint64(level.Trust)}, nil)
	case "sealed":
		values := map[string]string{}
		for group := range h.sealed {
			values[group] = ""
		}
		return values, nil
	case "spread":
		return h.answerSpread(ctx, argument)
	case "rolls":
		values := map[string]string{}
		for i, roll := range h.Rolls() {
			values[strconv.Itoa(i)] = roll
		}
		return values, nil
	case "traffic", "ping":
		peer, err := uuid.FromBytes(argument)
		if err != nil {
			return nil, errors.Join(api.ErrArgument, err)
		}
		if subject == "traffic" {
			return figures(h.Traffic(peer))
		}
		took, err := h.Ping(ctx, peer)
		return figures(map[string]uint64{"microseconds": took}, err)
	}
	return nil, fmt.Errorf("%q: %w", subject, errSubject)
}

// answerSpread spreads a roll for a program that shares the node.
func (h host) answerSpread(ctx context.Context, argument []byte) (map[string]string, error) {
	if len(argument) < 4 {
		return nil, api.ErrArgument
	}
	holders, err := h.Spread(ctx, string(argument[4:]), int(binary.BigEndian.Uint32(argument)))
	values := map[string]string{}
	for _, id := range holders {
		values[id] = ""
	}
	return values, err
}

// figures writes numbers down.
func figures(numbers map[string]uint64, err error) (map[string]string, error) {
	values := map[string]string{}
	for name, number := range numbers {
		values[name] = strconv.FormatUint(number, 10)
	}
	return values, err
}

func (h host) About() *oncecontrol.Welcome {
	return &oncecontrol.Welcome{
		Process: control.Here(), Program: api.Version, Node: h.guard.ID, Name: h.guard.Name(), Largest: uint64(h.MaxMessage),
	}
}

func (h host) Look() (control.View, error) {
	view, err := h.view(func(uint64) {})
	view.Endpoint = h.Endpoint()
	return view, err
}

// Visit lets a program share the node.
func (h host) Visit(told *events.Queue) (control.Visitor, error) {
	if h.Brief {
		return nil, api.ErrBrief
	}
	v := &visitor{h.Node, told, newAccount()}
	return v, h.while(func(l *loop) {
		l.accounts = append(l.accounts, v.account)
		l.introduce(told)
	})
}

// introduce tells somebody of all who are present, and from then on of what happens.
func (l *loop) introduce(told *events.Queue) {
	post := func(e events.Facts) {
		e.At, e.Version = time.Now(), l.version
		told.Post(e)
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
	for group, p := range l.core.Leaders() {
		post(events.Facts{Type: api.EventTypeLeader, Peer: p, Group: group})
	}
	l.events.Tap(told, time.Now().Add(-guard.RefusalLife))
}

// visitor is a program that shares a node.
type visitor struct {
	*Node
	told    *events.Queue
	account *account
}

func (v *visitor) Whisper(ctx context.Context, peer uuid.UUID, content [][]byte) error {
	if err := v.while(func(*loop) { v.account.peers[peer] = struct{}{} }); err != nil {
		return err
	}
	return v.Node.Whisper(ctx, peer, content)
}

// Shout notes who is in the group, before one of them is gone, and the group, for who joins
// it meanwhile.
func (v *visitor) Shout(ctx context.Context, group string, content [][]byte) (uint32, error) {
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

func (v *visitor) Flush(ctx context.Context) error { return v.flush(ctx, v.account) }

func (v *visitor) Join(group string) error {
	return v.try(func(l *loop) error { return l.enroll(v.account, group) })
}

func (v *visitor) Leave(group string) error {
	return v.while(func(l *loop) { l.depart(v.account, group) })
}

// Quit takes leave of the program.
func (v *visitor) Quit() {
	v.events.Untap(v.told)
	_ = v.while(func(l *loop) { // a node that has stopped is in no group
		l.forget(v.account)
		for group := range v.account.in {
			l.depart(v.account, group)
		}
	})
}
