package node

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/onceseal"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/seal"
	"github.com/sjohnr/at-once/src/zre"
)

// Sessions that a peer may open over one connection: so many at once, and so many more a
// second. Each costs us a decapsulation and a signature.
const (
	maxSessions  = 32
	sessionsRate = 1
)

// maxKeys is of how many groups a peer's keys are kept, which it gives us over one
// connection, until those are forgotten that the node is not in: twice as many as it can
// be in. Of each group the two latest count. maxMissing is how many messages to groups may be
// missing at once before others, and missingRate how many more a second: the key of each
// is made, which takes some microseconds. Of these maxMissing are kept, and some of one
// group, in case the messages come late.
const (
	maxKeys     = 2 * zremsg.MaxHelloGroups
	maxMissing  = 8192
	missingRate = 1024
)

// These end the connection of a peer that costs too much.
var (
	errSessions = errors.New("too many sealed sessions")
	errMissing  = errors.New("too many sealed messages are missing")
)

// unsealer is the receiving end of the sealed sessions on a connection. It is the
// reader's own.
type unsealer struct {
	session *seal.Receiver                     // nil before the first
	opened  guard.Allowance                    // of sessions
	groups  map[string]*[2]*seal.GroupReceiver // the latest first
	missing guard.Allowance                    // of messages of all groups
	kept    uint64                             // keys of messages that are missing, at most
}

// unseal opens the content of an event in its place. What does not open is counted
// and has no content then. An error ends the connection.
func (r *receiver) unseal(run *Batch, e *events.Facts) (err error) {
	e.Content, err = run.Open(func(frames [][]byte) ([][]byte, error) {
		switch c := e.Content; {
		case e.Type == api.EventTypeWhisper && len(c) == 1:
			return r.whispered(c[0], frames)
		case e.Type == api.EventTypeShout && len(c) == 2:
			return r.shouted(e.Group, c[0], c[1], frames)
		}
		return nil, errNotSealed
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errSessions), errors.Is(err, errMissing):
		return err
	}
	r.unopened = true
	r.link.Spoil()
	switch {
	case errors.Is(err, errNotSealed):
		r.node.count("content that is not sealed")
	default:
		r.node.count("content that does not open")
		r.node.log(r.peer).Debug("content does not open", "error", err)
	}
	if errors.Is(err, seal.ErrKey) || errors.Is(err, seal.ErrGap) { // our greeting makes the peer begin anew
		r.node.post(zre.OutOfStep{Peer: r.peer, Link: r.id})
	}
	return nil
}

// whispered opens what a peer has sealed for us alone, and appends its frames, or
// none if it was but between the two nodes.
func (r *receiver) whispered(frame []byte, frames [][]byte) ([][]byte, error) {
	switch id, err := onceseal.Peek(frame); {
	case err != nil:
		return nil, errNotSealed
	case id == onceseal.IDOpen:
		return frames, r.accept(frame)
	case r.unsealer.session == nil:
		return nil, seal.ErrKey
	}
	content, key, err := r.unsealer.session.Open(frame, frames)
	if key != nil {
		return frames, r.take(key)
	}
	return content, err
}

// accept lets the peer open a session.
func (r *receiver) accept(frame []byte) error {
	u := &r.unsealer
	if !u.opened.Use(1, time.Now(), maxSessions, sessionsRate) {
		return errSessions
	}
	var session *seal.Receiver
	var number uint64
	var err error
	last := r.remote.session.Load()
	r.node.apart(func() {
		session, number, err = seal.Accept(r.node.guard.Identity, r.remote.badge().Card, r.remote.challenge, last, frame)
	})
	if err != nil {
		return err
	}
	for !r.remote.session.CompareAndSwap(last, number) { // another connection was quicker
		if last = r.remote.session.Load(); number <= last {
			return seal.ErrReplay
		}
	}
	u.session = session
	return nil
}

// take notes the key of a group.
func (r *receiver) take(key *onceseal.Key) error {
	group, err := seal.NewGroupReceiver(r.peer, key)
	if err != nil {
		return err
	}
	u := &r.unsealer
	if u.groups == nil {
		u.groups = map[string]*[2]*seal.GroupReceiver{}
	}
	held := u.groups[key.Group]
	if held == nil {
		if len(u.groups) >= maxKeys {
			var own []string
			r.node.do(func() { own = r.node.loop.core.OwnGroups() })
			u.leave(own)
		}
		held = new([2]*seal.GroupReceiver)
		u.groups[key.Group] = held
	}
	held[0], held[1] = group, held[0]
	return nil
}

// leave forgets the keys of groups that the node is not in; own are those that it is in,
// sorted. Until there are too many they are kept: what was said before the peer knew that
// the node has left is still to come.
func (u *unsealer) leave(own []string) {
	maps.DeleteFunc(u.groups, func(group string, _ *[2]*seal.GroupReceiver) bool {
		_, in := slices.BinarySearch(own, group)
		return !in
	})
}

// shouted opens what a peer has sealed for a group and proved for us, and appends its
// frames.
func (r *receiver) shouted(group string, frame, proof []byte, frames [][]byte) ([][]byte, error) {
	var m onceseal.Group
	if m.Decode(frame, nil) != nil {
		return nil, errNotSealed
	}
	u := &r.unsealer
	held := u.groups[group]
	if held == nil || u.session == nil {
		return nil, seal.ErrKey
	}
	for _, g := range held {
		if g == nil || g.Key() != m.Key {
			continue
		}
		before := g.Number()
		content, err := g.Open(u.session, frame, proof, frames)
		if made := g.Number() - before; made > 1 {
			if !u.missing.Use(float64(made-1), time.Now(), maxMissing, missingRate) {
				return nil, errMissing
			}
			u.keep(g, made-1)
		}
		return content, err
	}
	return nil, seal.ErrKey
}

// keep notes that keys of messages that are missing were kept for a group, and forgets
// those of the others if they may be too many.
func (u *unsealer) keep(of *seal.GroupReceiver, keys uint64) {
	if u.kept += keys; u.kept <= maxMissing {
		return
	}
	for _, held := range u.groups {
		for _, g := range held {
			if g != nil && g != of {
				g.Forget()
			}
		}
	}
	u.kept = keys
}

// errNotSealed says that content came plain from a peer that seals.
var errNotSealed = errors.New("content is not sealed")
