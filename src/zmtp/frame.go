package zmtp

import (
	"encoding/binary"
	"strconv"
)

// The flags octet of a frame (RFC 37, "Framing"); the other bits are reserved.
const (
	flagMore    = 1 << 0
	flagLong    = 1 << 1
	flagCommand = 1 << 2
	flagsKnown  = flagMore | flagLong | flagCommand
)

const (
	shortHeader = 2   // flags and one octet of size
	longHeader  = 9   // flags and eight octets of size
	shortMost   = 255 // octets in the body of a short frame
)

// FrameSize returns the octets that a message frame with n octets of content
// takes on the wire.
func FrameSize(n int) int {
	if n <= shortMost {
		return shortHeader + n
	}
	return longHeader + n
}

// AppendHeader appends the header of a message frame with n octets of content, of 2 or
// 9 octets. More says that the frame is not the last of its message.
func AppendHeader(b []byte, n int, more bool) []byte {
	if more {
		return appendHeader(b, flagMore, n)
	}
	return appendHeader(b, 0, n)
}

func appendHeader(b []byte, flags byte, n int) []byte {
	if n <= shortMost {
		return append(b, flags, byte(n))
	}
	return binary.BigEndian.AppendUint64(append(b, flags|flagLong), uint64(n))
}

// splitHeader reads the header at the start of b, which is not empty: flags, its
// own length, and the length of the body. Its own length is 0 if it is incomplete.
func splitHeader(b []byte) (flags byte, head int, body uint64) {
	switch flags = b[0]; {
	case flags&flagLong == 0 && len(b) >= shortHeader:
		return flags, shortHeader, uint64(b[1])
	case flags&flagLong != 0 && len(b) >= longHeader:
		return flags, longHeader, binary.BigEndian.Uint64(b[1:])
	}
	return flags, 0, 0
}

// quote makes text from the network fit for an error message.
func quote(s string) string {
	const most = 64
	if len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "..."
	}
	return strconv.QuoteToASCII(s)
}
