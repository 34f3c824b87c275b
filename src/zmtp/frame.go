package zmtp

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"
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

// MaxCommand is the most octets that the body of a command may have. The
// largest that we send is a READY of about 300.
const MaxCommand = 8192

// MaxContext is the most octets that the context of a PING may have.
const MaxContext = 16

// The commands that we know (RFC 37); others are of no concern to us.
const (
	Ready = "READY"
	Error = "ERROR"
	Ping  = "PING"
	Pong  = "PONG"
)

// AppendCommand appends a command. Name has 1 to 255 letters; name and data
// together have at most MaxCommand-1 octets.
func AppendCommand(b []byte, name string, data []byte) []byte {
	b = appendHeader(b, flagCommand, 1+len(name)+len(data))
	b = append(b, byte(len(name)))
	b = append(b, name...)
	return append(b, data...)
}

// SplitCommand returns the name and the data of a command's body. Both alias it.
func SplitCommand(body []byte) (name, data []byte, err error) {
	return splitName(body, "")
}

// splitName cuts a name off b, behind an octet with its length: letters and some other
// characters.
func splitName(b []byte, others string) (name, rest []byte, err error) {
	if len(b) == 0 || b[0] == 0 || int(b[0]) > len(b)-1 {
		return nil, nil, fmt.Errorf("%w: a name is missing", ErrProtocol)
	}
	name, rest = b[1:1+int(b[0])], b[1+int(b[0]):]
	for _, c := range name {
		if letter := c | ('a' - 'A'); (letter < 'a' || letter > 'z') && strings.IndexByte(others, c) < 0 {
			return nil, nil, fmt.Errorf("%w: name %s", ErrProtocol, quote(string(name)))
		}
	}
	return name, rest, nil
}

// CommandSize returns the octets that a command with n octets of data takes.
func CommandSize(name string, n int) int { return FrameSize(1 + len(name) + n) }

// ParsePing returns what the data of a PING says: how long we may hear nothing
// more before the connection counts as dead (0 is no such time), and the context,
// which the PONG has to carry.
func ParsePing(data []byte) (ttl time.Duration, context []byte, err error) {
	if len(data) < 2 || len(data) > 2+MaxContext {
		return 0, nil, fmt.Errorf("%w: PING of %d octets", ErrProtocol, len(data))
	}
	tenths := binary.BigEndian.Uint16(data)
	return time.Duration(tenths) * (time.Second / 10), data[2:], nil
}

// ErrorData returns the data of an ERROR, whose reason is cut after 255 octets.
func ErrorData(reason string) []byte {
	reason = reason[:min(len(reason), maxReason)]
	return append([]byte{byte(len(reason))}, reason...)
}

// maxReason is the most octets that the reason of an ERROR may have.
const maxReason = 255

// ParseError returns the refusal that the data of an ERROR stands for, or
// ErrProtocol if it is malformed.
func ParseError(data []byte) error {
	if len(data) == 0 || int(data[0]) != len(data)-1 {
		return fmt.Errorf("%w: malformed ERROR", ErrProtocol)
	}
	return &RefusedError{Reason: string(data[1:])}
}
