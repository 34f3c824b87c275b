//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
)

// room is the group that all are in, and side one that each joins and leaves.
const (
	room = "room"
	side = "side"
)

// kind is what a node does.
type kind uint8

const (
	whispers kind = iota
	shouts
	joins
	leaves
)

// script is what one node of so many does, one thing after the other: all know it.
type script struct{ nodes, me int }

// does returns what the node does in a step, and to whom, if that is one.
func (s script) does(step int) (what kind, to int) {
	switch {
	case s.nodes == 2:
		return whispers, 1 - s.me
	case step%100 == 37:
		return joins, 0
	case step%100 == 87:
		return leaves, 0
	case step%3 == 2:
		return shouts, 0
	}
	return whispers, (s.me + 1 + step%3) % s.nodes
}

// meant tells whether another node is to hear of a step.
func (s script) meant(step, other int) bool {
	what, to := s.does(step)
	return what != whispers || to == other
}

// next returns the first step from one on that another node is to hear of.
func (s script) next(from, other int) int {
	for !s.meant(from, other) {
		from++
	}
	return from
}

// content tells whether a step says something.
func (s script) content(step int) bool {
	what, _ := s.does(step)
	return what == whispers || what == shouts
}

// nextContent returns the first step from one on that says something to another node.
func (s script) nextContent(from, other int) int {
	for from = s.next(from, other); !s.content(from); {
		from = s.next(from+1, other)
	}
	return from
}

// upTo returns how many steps say as many messages to each other node, or a few more.
func (s script) upTo(messages int) int {
	if s.nodes == 2 {
		return messages
	}
	return messages * 3 / 2 * 100 / 97
}

// Sizes of content. All is larger than whatever else passes between nodes that know each other.
const (
	least   = 256
	largest = 150_000 // more than what may be sent at first without an acknowledgement
	header  = 16      // step, life and number of who says it
)

// sizeOf returns how many octets are said in a step.
func sizeOf(step int) int {
	switch {
	case step%9973 == 500:
		return largest
	case step%997 == 100:
		return 20_000
	}
	return least + step*7919%192
}

// filler is what content is filled with, from a place that depends on the step.
var filler = func() []byte {
	b := make([]byte, 2*largest)
	chance := rand.NewChaCha8([32]byte{1})
	_, _ = chance.Read(b) // never fails
	return b
}()

// label is what content begins with.
type label struct {
	step int
	life uint32 // of who says it: how often its process was started
	from uint32
}

// appendContent appends what is said in a step.
func (l label) appendContent(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(l.step))
	b = binary.BigEndian.AppendUint32(b, l.life)
	b = binary.BigEndian.AppendUint32(b, l.from)
	at := l.step * 31 % largest
	return append(b, filler[at:at+sizeOf(l.step)-header]...)
}

// labelOf returns what content begins with, and whether the rest is as it has to be.
func labelOf(content [][]byte) (l label, ok bool) {
	if len(content) != 1 || len(content[0]) < header {
		return l, false
	}
	b := content[0]
	l = label{int(binary.BigEndian.Uint64(b)), binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:])}
	if l.step < 0 || len(b) != sizeOf(l.step) {
		return l, false
	}
	at := l.step * 31 % largest
	return l, bytes.Equal(b[header:], filler[at:at+len(b)-header])
}
