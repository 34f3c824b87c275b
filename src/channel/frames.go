package channel

import "github.com/sjohnr/at-once/src/zmtp"

// AppendContent appends the frames of a message's content, which are its last.
func AppendContent(b []byte, content [][]byte) []byte {
	last := len(content) - 1
	for i, frame := range content {
		b = append(zmtp.AppendHeader(b, len(frame), i < last), frame...)
	}
	return b
}

// SizeOf returns how many octets a message takes on the wire and how many are in its
// frames: its head has so many, its content follows.
func SizeOf(head int, content [][]byte) (wire, octets int) {
	wire, octets = zmtp.FrameSize(head), head
	for _, frame := range content {
		wire += zmtp.FrameSize(len(frame))
		octets += len(frame)
	}
	return wire, octets
}
