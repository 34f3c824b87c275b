package node

import (
	"net"
	"strings"

	"github.com/sjohnr/at-once/src/sight"
)

// callbackAt returns where a peer can reach us that we reach from an address. A
// zone, which means something to this host only, stays here (RFC 4007, 11.2).
func (l *talks) callbackAt(local net.Addr) sight.Endpoint {
	if l.settings.advertised != (sight.Endpoint{}) {
		return l.settings.advertised
	}
	host, _, _ := strings.Cut(sight.Of(local).Host(), "%")
	return sight.At(host, l.site.Endpoint().Port())
}

// callback is callbackAt for who is at the end of a link that carries both directions.
func (l *talks) callback(r *receiver) sight.Endpoint {
	if r.beyond {
		return sight.Met(l.guard.ID)
	}
	return l.callbackAt(r.link.LocalAddr())
}
