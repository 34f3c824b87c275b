//go:build !czmq

package node

import "github.com/sjohnr/at-once/src/link"

// newTransport returns what nodes connect with.
func newTransport() link.Transport { return link.TCP{} }
