package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncecontrol"
	"github.com/sjohnr/at-once/src/control"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/zre"
)

// host is a node that runs, for the programs that share it.
type host struct{ *Node }

// errSubject says that a program asks for what this version does not know.
var errSubject = errors.New("the process that runs the node knows no such subject: use programs of one release")

// ask asks of a subject where another process runs the node, and tells whether one does.
func (n *Node) ask(ctx context.Context, subject string, argument []byte) (values map[string]string, there bool, err error) {
	return elsewhere(n, func(far *control.Client) (map[string]string, error) { return far.Ask(ctx, subject, argument) })
}

// askFigures is ask for numbers.
func (n *Node) askFigures(ctx context.Context, subject string, argument []byte) (figures map[string]uint64, there bool, err error) {
	values, there, err := n.ask(ctx, subject, argument)
	return numbers(values), there, err
}

// numbers reads what figures has written down.
func numbers(values map[string]string) map[string]uint64 {
	figures := map[string]uint64{}
	for name, value := range values {
		if figure, err := strconv.ParseUint(value, 10, 64); err == nil {
			figures[name] = figure
		}
	}
	return figures
}

// briefly returns a context for what the node knows at once.
func briefly() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), oncecontrol.MaxAnswering*time.Millisecond)
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

func (h host) About() control.About {
	return control.About{
		Process: control.Here(), Program: api.Version, ID: h.guard.ID, Name: h.guard.Name(), Largest: h.MaxMessage,
	}
}

func (h host) Look() (*control.View, error) {
	view, err := h.Snapshot()
	if err != nil {
		return nil, err
	}
	return &control.View{Version: view.version, Endpoint: h.Endpoint(), Peers: view.peers, Leaders: view.leaders}, nil
}

// Visit lets a program share the node.
func (h host) Visit(told *events.Queue) (control.Visitor, error) {
	if h.brief {
		return nil, api.ErrBrief
	}
	v := &visitor{Node: h.Node, told: told, account: newAccount(), groups: map[string]struct{}{}}
	return v, h.while(func(l *loop) {
		l.accounts = append(l.accounts, v.account)
		if told != nil {
			l.introduce(told)
		}
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
	told    *events.Queue // nil if it wants no events
	account *account
	groups  map[string]struct{} // the loop's
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

func (v *visitor) Connect(peer uuid.UUID, endpoint string) error {
	return v.RequirePeer(peer, endpoint)
}

func (v *visitor) Join(group string) error {
	var full error
	if err := v.while(func(l *loop) {
		if _, in := v.groups[group]; in {
			return
		}
		if full = l.lend(group); full == nil {
			v.groups[group] = struct{}{}
		}
	}); err != nil {
		return err
	}
	return full
}

func (v *visitor) Leave(group string) error {
	return v.while(func(l *loop) { v.leave(l, group) })
}

func (v *visitor) leave(l *loop, group string) {
	if _, in := v.groups[group]; in {
		delete(v.groups, group)
		l.giveBack(group)
	}
}

// Quit takes leave of the program.
func (v *visitor) Quit() {
	if v.told != nil {
		v.events.Untap(v.told)
	}
	_ = v.while(func(l *loop) { // a node that has stopped is in no group
		l.forget(v.account)
		for group := range v.groups {
			v.leave(l, group)
		}
	})
}

// lent are the groups that programs are in which share the node. It is the loop's.
type lent struct {
	guests map[string]int      // how many are in a group
	only   map[string]struct{} // groups that the node is in for them only
}

// lend has the node be in a group for a program that shares it.
func (l *loop) lend(group string) error {
	if !slices.Contains(l.core.OwnGroups(), group) {
		if err := l.enlist(zre.Join{Group: group}); err != nil {
			return err
		}
		l.lent.only[group] = struct{}{}
	}
	l.lent.guests[group]++
	return nil
}

// giveBack takes that back.
func (l *loop) giveBack(group string) {
	if l.lent.guests[group]--; l.lent.guests[group] > 0 {
		return
	}
	delete(l.lent.guests, group)
	if _, only := l.lent.only[group]; only {
		delete(l.lent.only, group)
		l.step(zre.Leave{Group: group})
	}
}

// depart has the node be in a group no more, but for programs that share it.
func (l *loop) depart(group string) {
	if l.lent.guests[group] > 0 {
		l.lent.only[group] = struct{}{}
		return
	}
	l.step(zre.Leave{Group: group})
}
