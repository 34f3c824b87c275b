package channel

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/sjohnr/at-once/generated/go/onceseal"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/seal"
)

// Sessions that a peer may open over one connection: so many at once, and so many more a
// second. Each costs us a decapsulation and a signature.
const (
	MaxSessions  = 32
	SessionsRate = 1
)

// MaxKeys is of how many groups a peer's keys are kept, which it gives us over one
// connection, until those are forgotten that the node is not in: twice as many as it can
// be in. Of each group the two latest count. MaxMissing is how many messages to groups may be
// missing at once before others, and MissingRate how many more a second: the key of each
// is made, which takes some microseconds. Of these MaxMissing are kept, and some of one
// group, in case the messages come late.
const (
	MaxKeys     = 2 * zremsg.MaxHelloGroups
	MaxMissing  = 8192
	MissingRate = 1024
)

// ErrCostly ends the connection of a peer that costs too much.
var ErrCostly = errors.New("too many sealed sessions, or sealed messages that are missing")

// ErrNotSealed says that content came plain from a peer that seals.
var ErrNotSealed = errors.New("content is not sealed")

// Own is what a node opens with what was sealed for it.
type Own struct {
	Identity *identity.Identity
	Groups   func() []string // that it is in, sorted
	Ahead    func() [][]byte // challenges that a session may answer of who does not know that of its channel yet; may be nil
}

// Unsealer is the receiving end of the sealed sessions on a connection. It belongs to the
// connection's reader. Before it is used it is given what the node opens with.
type Unsealer struct {
	*Own
	session *seal.Receiver                     // nil before the first
	opened  guard.Allowance                    // of sessions
	groups  map[string]*[2]*seal.GroupReceiver // the latest first
	missing guard.Allowance                    // of messages of all groups
	kept    uint64                             // keys of messages that are missing, at most
}

// Whisper opens what a peer has sealed for us alone, and appends its frames, or
// none if it was but between the two nodes.
func (u *Unsealer) Whisper(from *Channel, content, frames [][]byte) ([][]byte, error) {
	if len(content) != 1 {
		return nil, ErrNotSealed
	}
	frame := content[0]
	switch id, err := onceseal.Peek(frame); {
	case err != nil:
		return nil, ErrNotSealed
	case id == onceseal.IDOpen:
		return frames, u.accept(from, frame)
	case u.session == nil:
		return nil, seal.ErrKey
	}
	opened, key, err := u.session.Open(frame, frames)
	if key != nil {
		return frames, u.take(from, key)
	}
	return opened, err
}

// Exchange tells whether the whisper that was opened last is a message of once_ask, and not what
// the application of the peer has said.
func (u *Unsealer) Exchange() bool { return u.session.Exchange() }

// accept lets the peer open a session.
func (u *Unsealer) accept(from *Channel, frame []byte) error {
	if !u.opened.Use(1, time.Now(), MaxSessions, SessionsRate) {
		return ErrCostly
	}
	var session *seal.Receiver
	var number uint64
	var err error
	last := from.session.Load()
	challenges := [][]byte{from.challenge}
	if u.Ahead != nil {
		challenges = append(challenges, u.Ahead()...)
	}
	for _, challenge := range challenges {
		session, number, err = seal.Accept(u.Identity, from.badge().Card, challenge, last, frame)
		if !errors.Is(err, seal.ErrForged) {
			break
		}
	}
	if err != nil {
		return err
	}
	for !from.session.CompareAndSwap(last, number) { // another connection was quicker
		if last = from.session.Load(); number <= last {
			return seal.ErrReplay
		}
	}
	u.session = session
	return nil
}

// take notes the key of a group.
func (u *Unsealer) take(from *Channel, key *onceseal.Key) error {
	group, err := seal.NewGroupReceiver(from.Peer().UUID(), key)
	if err != nil {
		return err
	}
	if u.groups == nil {
		u.groups = map[string]*[2]*seal.GroupReceiver{}
	}
	held := u.groups[key.Group]
	if held == nil {
		if len(u.groups) >= MaxKeys {
			u.leave(u.Own.Groups())
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
func (u *Unsealer) leave(own []string) {
	maps.DeleteFunc(u.groups, func(group string, _ *[2]*seal.GroupReceiver) bool {
		_, in := slices.BinarySearch(own, group)
		return !in
	})
}

// Shout opens what a peer has sealed for a group and proved for us, and appends its
// frames.
func (u *Unsealer) Shout(group string, content, frames [][]byte) ([][]byte, error) {
	var m onceseal.Group
	if len(content) != 2 || m.Decode(content[0], nil) != nil {
		return nil, ErrNotSealed
	}
	held := u.groups[group]
	if held == nil || u.session == nil {
		return nil, seal.ErrKey
	}
	err := error(seal.ErrKey)
	for _, g := range held {
		if g == nil || g.Key() != m.Key {
			continue
		}
		before := g.Number()
		var opened [][]byte
		opened, err = g.Open(u.session, content[0], content[1], frames)
		if made := g.Number() - before; made > 1 {
			if !u.missing.Use(float64(made-1), time.Now(), MaxMissing, MissingRate) {
				return nil, ErrCostly
			}
			u.keep(g, made-1)
		}
		if !errors.Is(err, seal.ErrReplay) { // else it may be from before a key that came again
			return opened, err
		}
	}
	return nil, err
}

// Held returns of how many groups the peer's keys are held.
func (u *Unsealer) Held() int { return len(u.groups) }

// keep notes that keys of messages that are missing were kept for a group, and forgets
// those of the others if they may be too many.
func (u *Unsealer) keep(of *seal.GroupReceiver, keys uint64) {
	if u.kept += keys; u.kept <= MaxMissing {
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
