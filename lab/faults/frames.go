//go:build linux

package main

import "encoding/binary"

// greeting is how many octets a connection of ZMTP begins with, before its frames.
const greeting = 64

// Flags of a frame.
const (
	long    = 2
	command = 4
)

// frame is where a frame is in a stream. Its head is part of it.
type frame struct {
	start, end uint64
	octets     int // without the head
	content    bool
}

// parser finds the frames of a stream, encrypted or not: CURVE makes one of each.
type parser struct {
	at    uint64 // how far the stream was read
	begun bool   // the greeting is over
	rest  uint64 // of the present frame
	head  []byte // of the next
}

// feed reads on, and calls found for each frame whose head is read.
func (p *parser) feed(b []byte, found func(frame)) {
	if !p.begun {
		p.begun, p.rest = true, greeting
	}
	for len(b) > 0 {
		if p.rest > 0 {
			n := min(p.rest, uint64(len(b)))
			p.rest, p.at, b = p.rest-n, p.at+n, b[n:]
			continue
		}
		p.head, p.at, b = append(p.head, b[0]), p.at+1, b[1:]
		octets := uint64(0)
		switch {
		case len(p.head) == 2 && p.head[0]&long == 0:
			octets = uint64(p.head[1])
		case len(p.head) == 9:
			octets = binary.BigEndian.Uint64(p.head[1:])
		default:
			continue
		}
		start := p.at - uint64(len(p.head))
		content := p.head[0]&command == 0 && octets >= least
		found(frame{start, p.at + octets, int(octets), content})
		p.rest, p.head = octets, p.head[:0]
	}
}
