//go:build linux

package main

import (
	"fmt"

	"github.com/sjohnr/at-once/bindings/go/once"
	"github.com/sjohnr/at-once/src/seal"
)

// setting is who talks, and how.
type setting struct {
	nodes   int
	mode    once.Security
	seed    uint64
	verbose bool
}

func (s setting) String() string { return fmt.Sprintf("%d nodes, %v", s.nodes, s.mode) }

// overhead is how many octets a frame of content is larger in the setting than what is said.
func (s setting) overhead() int {
	switch s.mode {
	case once.SecurityAuto:
		return seal.Size([][]byte{make([]byte, least)}) - least
	case once.SecuritySecure:
		return len("\x07MESSAGE") + 8 + 16 + 1 // the number of the frame, what proves it, and its flags
	}
	return 0
}
