package seal

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/sjohnr/at-once/generated/go/onceseal"
)

// headSize is how many octets of SEALED and GROUP come before those that are
// sealed, tag how many their ciphers add to those.
const headSize, tag = 24, 16

// appendHead appends what comes before so many octets that are then sealed: two
// numbers and the size.
func appendHead(b []byte, id onceseal.ID, first, second uint64, size int) []byte {
	b = append(b, 0xAA, 0xA0|onceseal.Signature, byte(id), onceseal.Version)
	b = binary.BigEndian.AppendUint64(b, first)
	b = binary.BigEndian.AppendUint64(b, second)
	return binary.BigEndian.AppendUint32(b, uint32(size+tag))
}

// sizeContent returns how many octets content takes as CONTENT.
func sizeContent(content [][]byte) int {
	size := new(onceseal.Content).Size() + 4*len(content)
	for _, frame := range content {
		size += len(frame)
	}
	return size
}

// appendContent appends content as CONTENT, each frame straight to where it goes.
func appendContent(b []byte, content [][]byte) []byte {
	return appendFrames(b, onceseal.IDContent, content)
}

// appendFrames appends content as CONTENT or as EXCHANGE.
func appendFrames(b []byte, as onceseal.ID, content [][]byte) []byte {
	b = append(b, 0xAA, 0xA0|onceseal.Signature, byte(as), onceseal.Version)
	b = binary.BigEndian.AppendUint32(b, uint32(4*len(content)))
	octets := 0
	for _, frame := range content {
		b = binary.BigEndian.AppendUint32(b, uint32(len(frame)))
		octets += len(frame)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(octets))
	for _, frame := range content {
		b = append(b, frame...)
	}
	return b
}

// proofSize is how many octets a PROOF has.
const proofSize = 4 + 4 + sha256.Size

func appendProof(b, digest []byte) []byte {
	b = append(b, 0xAA, 0xA0|onceseal.Signature, byte(onceseal.IDProof), onceseal.Version)
	b = binary.BigEndian.AppendUint32(b, sha256.Size)
	return append(b, digest...)
}

// splitContent appends the frames of a CONTENT, which alias it, to frames.
func splitContent(b []byte, frames [][]byte) ([][]byte, error) {
	var m onceseal.Content
	if err := m.Decode(b, nil); err != nil {
		return frames, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return splitFrames(m.Sizes, m.Octets, frames)
}

// splitExchange is splitContent for an EXCHANGE.
func splitExchange(b []byte, frames [][]byte) ([][]byte, error) {
	var m onceseal.Exchange
	if err := m.Decode(b, nil); err != nil {
		return frames, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return splitFrames(m.Sizes, m.Octets, frames)
}

// splitFrames appends the frames of some sizes, which alias their octets, to frames.
func splitFrames(sizes, rest []byte, frames [][]byte) ([][]byte, error) {
	if len(sizes) == 0 || len(sizes)%4 != 0 {
		return frames, fmt.Errorf("%w: %d octets of sizes", ErrMalformed, len(sizes))
	}
	all := slices.Grow(frames, len(sizes)/4)
	for ; len(sizes) > 0; sizes = sizes[4:] {
		size := uint64(binary.BigEndian.Uint32(sizes))
		if size > uint64(len(rest)) {
			return frames, fmt.Errorf("%w: a frame of %d octets where %d are left", ErrMalformed, size, len(rest))
		}
		all = append(all, rest[:size:size])
		rest = rest[size:]
	}
	if len(rest) > 0 {
		return frames, fmt.Errorf("%w: %d octets after the last frame", ErrMalformed, len(rest))
	}
	return all, nil
}
