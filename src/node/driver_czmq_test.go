//go:build czmq

package node

import (
	"testing"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/link"
)

// TestDrivers lets a node on libzmq talk with another, and with one in Go. Over CURVE
// only with its like: libzmq cannot show the card that the other wants to see.
func TestDrivers(t *testing.T) {
	for name, test := range map[string]struct {
		security api.NodeSecurity
		other    link.Transport
	}{
		"libzmq, secure": {api.NodeSecuritySecure, newTransport()},
		"libzmq, auto":   {api.NodeSecurityAuto, newTransport()},
		"Go, auto":       {api.NodeSecurityAuto, link.TCP{}},
		"Go, plain":      {api.NodeSecurityPlain, link.TCP{}},
	} {
		t.Run(name, func(t *testing.T) {
			ana := live(t, "ana", with(test.security))
			ben := live(t, "ben", with(test.security), func(n *Node) { n.world.Transport = test.other })
			ana.must(ben.RequirePeer(ana.UUID(), ana.Endpoint()))
			ana.wants("enter ben")
			ben.wants("enter ana")
			ana.talk(ben)
			ben.talk(ana)
			ben.Stop()
			ana.wants("exit ben left")
		})
	}
}
