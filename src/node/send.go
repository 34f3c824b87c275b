package node

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
)

// Whisper queues a message for one peer. It copies the content, and waits while
// the peer's queue is full.
func (n *Node) Whisper(ctx context.Context, peer uuid.UUID, content [][]byte) error {
	message := zremsg.Whisper{Content: content}
	octets, err := n.measure(message.Size(), content)
	if err != nil {
		return err
	}
	r := n.table.find(peer)
	if r == nil {
		return n.absent()
	}
	out, b, err := r.reserve(ctx, octets)
	if err != nil {
		return err
	}
	out.sequence++
	message.Sequence = out.sequence
	b, err = message.AppendTo(zmtp.AppendHeader(b[:0], message.Size(), true))
	appendContent(b, content)
	out.Commit()
	return err
}

// Shout queues a message for all peers in a group, and returns for how many. It
// is encoded once. Peers whose queues are full get it last, so that they do not
// hold up the others.
func (n *Node) Shout(ctx context.Context, group string, content [][]byte) (uint32, error) {
	message := zremsg.Shout{Group: group, Content: content}
	octets, err := n.measure(message.Size(), content)
	if err != nil {
		return 0, err
	}
	members := n.table.members(group)
	if len(members) == 0 {
		if err := n.running(); err != nil {
			return 0, err
		}
		return 0, nil
	}
	scratch := shouts.Get().(*shout)
	defer shouts.Put(scratch)
	b, err := message.AppendTo(zmtp.AppendHeader(scratch.octets[:0], message.Size(), true))
	if err != nil {
		return 0, err
	}
	scratch.octets = appendContent(b, content)
	at := len(b) - message.Size() + zremsg.SequenceOffset
	return scratch.send(ctx, members, octets, at)
}

// shout is a message encoded for all of its receivers.
type shout struct {
	octets []byte
	late   []*remote // those whose queues are full
}

var shouts = sync.Pool{New: func() any { return new(shout) }}

// send queues the message for each member; its sequence number is at an offset.
func (s *shout) send(ctx context.Context, members []*remote, octets, at int) (sent uint32, err error) {
	s.late = s.late[:0]
	for _, r := range members {
		out := r.out.Load()
		if out == nil {
			continue
		}
		b, err := out.TryReserve(octets)
		if err != nil {
			s.late = append(s.late, r)
			continue
		}
		s.put(out, b, at)
		sent++
	}
	for _, r := range s.late {
		out, b, err := r.reserve(ctx, octets)
		if errors.Is(err, api.ErrNoPeer) {
			continue
		}
		if err != nil {
			return sent, err
		}
		s.put(out, b, at)
		sent++
	}
	return sent, nil
}

func (s *shout) put(out *outbound, b []byte, at int) {
	out.sequence++
	copy(b, s.octets)
	binary.BigEndian.PutUint16(b[at:], out.sequence)
	out.Commit()
}

// measure returns how many octets a message takes on the wire.
func (n *Node) measure(header int, content [][]byte) (octets int, err error) {
	if len(content) == 0 {
		return 0, api.ErrArgument
	}
	size := header
	octets = zmtp.FrameSize(header)
	for _, frame := range content {
		size += len(frame)
		octets += zmtp.FrameSize(len(frame))
	}
	if size > n.settings.maxMessage || len(content) > maxContent {
		return 0, api.ErrTooLarge
	}
	return octets, nil
}

// appendContent appends the frames of a message's content.
func appendContent(b []byte, content [][]byte) []byte {
	last := len(content) - 1
	for i, frame := range content {
		b = append(zmtp.AppendHeader(b, len(frame), i < last), frame...)
	}
	return b
}

// control queues a message of the core for a peer. It never waits: a peer that
// takes nothing at all gets a fresh connection and greeting instead.
func (n *Node) control(out *outbound, message zremsg.Message) {
	frame, err := message.AppendTo(zmtp.AppendHeader(n.loop.scratch[:0], message.Size(), false))
	if err != nil {
		n.settings.log.Error("message cannot be encoded", "message", message.ID(), "error", err)
		return
	}
	n.loop.scratch = frame
	b, err := out.ReserveControl(len(frame))
	if err != nil {
		if errors.Is(err, link.ErrOverflow) {
			n.count("control overflows")
			n.closeSoon(out.Link)
		}
		return
	}
	if out.sequence++; message.ID() == zremsg.IDHello {
		out.sequence = 1
	}
	copy(b, frame)
	binary.BigEndian.PutUint16(b[len(b)-message.Size()+zremsg.SequenceOffset:], out.sequence)
	out.Commit()
}

// Flush waits until all that was queued for the peers is handed to the system.
func (n *Node) Flush(ctx context.Context) error {
	if err := n.running(); err != nil {
		return err
	}
	for _, r := range n.table.all() {
		if out := r.out.Load(); out != nil {
			if err := out.Flush(ctx); err != nil && ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	return nil
}
