//go:build gc && !purego

package salsa

import "golang.org/x/sys/cpu"

var fast = cpu.X86.HasAVX2

// xorQuads combines so many times four blocks, at least once, with the stream from a
// state on. The state stays as it is.
//
//go:noescape
func xorQuads(dst, src *byte, quads int, s *state)
