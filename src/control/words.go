package control

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	wire "github.com/sjohnr/at-once/generated/go/oncecontrol"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
	octets "github.com/sjohnr/at-once/src/wire"
	"github.com/sjohnr/at-once/src/z85"
	"github.com/sjohnr/at-once/src/zre"
)

// ErrGone says that the process that ran the node has ended, and that a call can be made
// again where it runs now.
var ErrGone = fmt.Errorf("the process that ran the node has ended: %w", api.ErrStopped)

// linkConfig is what both sides open a link with. A conversation begins with HELLO.
func linkConfig(kind string, most int) link.Config {
	return link.Config{Type: kind, MaxMessage: most, MaxFrames: 1 + wire.MaxEventContent, Greeting: wire.MaxFailed}
}

// headRoom is for what goes with content in a message.
const headRoom = 1 << 20

// say sends messages about a call, with nothing between them. It waits while the far side
// takes nothing.
func say(ctx context.Context, l *link.Link, number uint32, messages ...wire.Message) error {
	size, heads := 0, make([][]byte, len(messages))
	for i, m := range messages {
		head, err := m.AppendTo(nil)
		if err != nil {
			return err
		}
		binary.BigEndian.PutUint32(head[wire.NumberOffset:], number)
		octets, _ := channel.SizeOf(len(head), m.Frames())
		heads[i], size = head, size+octets
	}
	b, err := l.Reserve(ctx, size)
	if err != nil {
		return err
	}
	b = b[:0]
	for i, m := range messages {
		b = channel.AppendContent(b, append([][]byte{heads[i]}, m.Frames()...))
	}
	l.Commit()
	return nil
}

// hear returns the message that frames hold, and the number of the call that it is about.
func hear(frames [][]byte) (number uint32, m wire.Message, err error) {
	if m, err = wire.Parse(frames[0], frames[1:]); err == nil {
		number = binary.BigEndian.Uint32(frames[0][wire.NumberOffset:])
	}
	return number, m, err
}

// cut returns as much of a text as a field has room for.
func cut(text string, most int) string { return text[:min(len(text), most)] }

func bit(is bool) uint8 {
	if is {
		return 1
	}
	return 0
}

// peerMessage says what is known of a peer.
func peerMessage(p *zre.Peer) *wire.Peer {
	return &wire.Peer{
		Peer: p.UUID(), Name: cut(p.Name(), wire.MaxPeerName), Endpoint: cut(p.Endpoint(), wire.MaxPeerEndpoint),
		Headers: octets.Pairs(p.Headers()), Groups: p.Groups(), Suspect: bit(p.Suspect()), Incarnation: p.Incarnation(),
		Protection: uint8(p.Protection()), Way: uint8(p.Way()), Identity: p.Identity(), Roles: p.Roles(),
	}
}

// peerOf is the inverse.
func peerOf(m *wire.Peer) (*zre.Peer, error) {
	d := zre.Description{
		ID: m.Peer, Name: m.Name, Headers: make(map[string]string, len(m.Headers)), Groups: slices.Clone(m.Groups),
		Incarnation: m.Incarnation, Suspect: m.Suspect != 0, Way: api.PeerWay(m.Way), Badge: new(zre.Badge),
	}
	for _, pair := range m.Headers {
		d.Headers[pair.Key] = pair.Value
	}
	var err error
	if m.Endpoint != "" {
		if d.Endpoint, err = sight.ParseAny(m.Endpoint); err != nil {
			return nil, err
		}
	}
	if m.Identity != "" {
		key, err := z85.Key(m.Identity)
		if err != nil {
			return nil, err
		}
		d.Badge.Card = &identity.Card{Identity: key[:]}
	}
	if len(m.Roles) > 0 {
		d.Badge.Token = &identity.Token{Roles: slices.Clone(m.Roles)}
	}
	switch api.PeerProtection(m.Protection) {
	case api.PeerProtectionCurve:
		d.Badge.Key = new([32]byte)
	case api.PeerProtectionNone:
		d.Self = true
	}
	return zre.Described(d), nil
}

// factsOf says what has happened, as an EVENT of a peer tells.
func factsOf(m *wire.Event, peer *zre.Peer) events.Facts {
	return events.Facts{
		Type: api.EventType(m.Type), Why: api.EventWhy(m.Why), Ours: m.Ours != 0, Peer: peer,
		Group: m.Group, Content: m.Content, Text: m.Text, Asks: m.Question,
		At: time.Unix(0, int64(m.Time)), Version: m.Knows,
	}
}

// viewMessages say what is known.
func viewMessages(v *events.View) (list []wire.Message) {
	leads := map[*zre.Peer][]string{}
	for group, p := range v.Leaders() {
		leads[p] = append(leads[p], group)
	}
	add := func(p *zre.Peer, absent bool) {
		m := peerMessage(p)
		m.Leads, m.Absent = leads[p], bit(absent)
		list = append(list, m)
		delete(leads, p)
	}
	for _, p := range v.Peers() {
		add(p, false)
	}
	for p := range leads {
		add(p, true)
	}
	return append(list, &wire.View{Knows: v.Version(), Endpoint: cut(v.Endpoint(), wire.MaxViewEndpoint)})
}

// nameOf returns the name of an error in the class models, or an empty string.
func nameOf(err error) string {
	for _, name := range slices.Sorted(maps.Keys(api.Errors)) {
		if errors.Is(err, api.Errors[name]) {
			return name
		}
	}
	return ""
}

// resultOf says what has come of a question that was queued.
func resultOf(answer *events.Event, err error) *wire.Result {
	if err == nil {
		return &wire.Result{Status: answer.Status(), Content: answer.Msg()}
	}
	kind := api.ErrUndelivered
	if errors.Is(err, api.ErrNoAnswer) {
		kind = api.ErrNoAnswer
	}
	return &wire.Result{Error: nameOf(kind), Text: cut(err.Error(), wire.MaxResultText)}
}

// fault is an error that another process had.
type fault struct {
	kind error // of the class models, or nil
	text string
}

func (f *fault) Error() string { return f.text }
func (f *fault) Unwrap() error { return f.kind }

// faultOf is the inverse of what answer says, for a caller whose wait may have ended: it returns
// nil for what says of no fault, and unanswered for nothing.
func faultOf(ctx context.Context, list []wire.Message, unanswered error) error {
	if len(list) == 0 {
		return unanswered
	}
	last := len(list) - 1
	failed, ok := list[last].(*wire.Failed)
	if !ok {
		return nil
	}
	var missed []channel.Missed
	for _, m := range list[:last] {
		if m, ok := m.(*wire.Missed); ok {
			missed = append(missed, channel.Missed{UUID: m.Peer, Name: m.Name, Messages: m.Messages, Octets: m.Octets, Reason: m.Reason})
		}
	}
	kind := api.Errors[failed.Error]
	switch {
	case len(missed) > 0:
		return &channel.UndeliveredError{Missed: missed, Cause: errors.Join(ctx.Err(), api.Errors[failed.Cause])}
	case ctx.Err() != nil && failed.Error == "":
		return ctx.Err()
	case errors.Is(kind, api.ErrStopped):
		return ErrGone // it is about to be
	}
	return &fault{kind, failed.Text}
}
