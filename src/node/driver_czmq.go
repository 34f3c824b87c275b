//go:build czmq

package node

import (
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/link/czmq"
)

// newTransport returns what nodes connect with, which is libzmq in this build.
func newTransport() link.Transport { return czmq.Transport{} }
