package client

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/src/sight"
)

// Dialable returns those of a peer's candidates that may be dialled: where a server has seen
// the peer, so that nobody has others dial whom it likes; private ones only where both
// were seen at one public address.
func Dialable(candidates, seen []string, observed string, key [32]byte) (list []sight.Endpoint) {
	var at []netip.Addr
	for _, text := range seen {
		if a, err := netip.ParseAddrPort(text); err == nil {
			at = append(at, a.Addr().Unmap())
		}
	}
	own, _ := netip.ParseAddrPort(observed)
	near := slices.Contains(at, own.Addr().Unmap())
	for _, text := range candidates {
		text, _, _ = strings.Cut(text, " ")
		e, err := sight.Parse(text)
		ip, fault := netip.ParseAddr(e.Host())
		if err != nil || fault != nil || !e.Dialable() || e.Key != "" {
			continue
		}
		ip = ip.Unmap()
		if local := ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsLoopback(); local && near || slices.Contains(at, ip) {
			list = append(list, e.With(&key))
		}
	}
	return list
}

// Dials bound what is dialled on the word of servers. It is one for all servers and peers.
type Dials struct {
	mu    sync.Mutex
	since time.Time
	each  map[netip.Addr]int
	all   int
}

// Allow tells whether an address may be dialled once more, and counts that.
func (d *Dials) Allow(address netip.Addr, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.Sub(d.since) >= time.Minute {
		d.since, d.each, d.all = now, map[netip.Addr]int{}, 0
	}
	address = address.Unmap()
	if d.all >= oncemsg.MaxDials || d.each[address] >= oncemsg.MaxDialsAddress {
		return false
	}
	d.all++
	d.each[address]++
	return true
}
