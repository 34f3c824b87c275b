package node

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// What one address may cost a node. A handshake of CURVE that fails, or that
// somebody replays, costs two scalar multiplications, so an address may fail so
// often at once and so often a second after that; if many addresses fail, each may
// do so less often. Of the connections whose greeting has not been accepted, one
// address may have half, and the last quarter is for addresses that have none: there
// is room for the next unless hundreds are hostile.
const (
	failuresBurst = 64
	failuresTight = 4 // while failuresTotal are not made good
	failuresTotal = 1024
	failuresRate  = 16 // a second, for each address
	totalRate     = 256
	maxOfAddress  = maxStrangers / 2
	maxOfMany     = maxStrangers * 3 / 4 // of addresses that have more than one
	maxAddresses  = 4096                 // known at a time; the rest share what one may
)

// throttle bounds what connections of strangers cost.
type throttle struct {
	mu        sync.Mutex
	addresses map[netip.Prefix]*account
	total     account
}

// account is what an address has cost of late.
type account struct {
	failures float64 // less those that the time has made good
	at       time.Time
	standing int
}

func (a *account) settle(now time.Time, rate float64) {
	a.failures = max(0, a.failures-now.Sub(a.at).Seconds()*rate)
	a.at = now
}

// visit is a connection of a stranger.
type visit struct {
	throttle *throttle
	from     netip.Prefix
}

// admit lets a connection in, unless its address has cost too much.
func (t *throttle) admit(addr net.Addr, now time.Time) (v visit, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total.settle(now, totalRate)
	v = visit{t, prefixOf(addr)}
	a := t.addresses[v.from]
	if a == nil {
		if len(t.addresses) >= maxAddresses {
			t.forget(now)
		}
		if len(t.addresses) >= maxAddresses {
			v.from = netip.Prefix{}
			a = t.addresses[v.from]
		}
		if a == nil {
			a = new(account)
			t.addresses[v.from] = a
		}
	}
	a.settle(now, failuresRate)
	burst := failuresBurst
	if t.total.failures >= failuresTotal {
		burst = failuresTight
	}
	if a.failures >= float64(burst) || a.standing >= maxOfAddress || a.standing > 0 && t.total.standing >= maxOfMany {
		return v, false
	}
	a.standing++
	t.total.standing++
	return v, true
}

// fails says that the handshake has failed.
func (v visit) fails() {
	v.throttle.mu.Lock()
	defer v.throttle.mu.Unlock()
	v.throttle.addresses[v.from].failures++
	v.throttle.total.failures++
}

// ends says that the connection is no stranger's any more, or has ended.
func (v visit) ends() {
	v.throttle.mu.Lock()
	defer v.throttle.mu.Unlock()
	a := v.throttle.addresses[v.from]
	v.throttle.total.standing--
	if a.standing--; a.standing == 0 && a.failures == 0 {
		delete(v.throttle.addresses, v.from)
	}
}

// forget drops the addresses that have nothing against them.
func (t *throttle) forget(now time.Time) {
	for from, a := range t.addresses {
		if a.settle(now, failuresRate); a.failures == 0 && a.standing == 0 {
			delete(t.addresses, from)
		}
	}
}

// prefixOf returns who is counted together: an IPv4 or link-local address, or what
// one network of IPv6 has (RFC 4291, 2.5.4).
func prefixOf(addr net.Addr) netip.Prefix {
	at, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return netip.Prefix{}
	}
	ip, bits := at.Addr().Unmap().WithZone(""), 32
	switch {
	case ip.IsLinkLocalUnicast() && ip.Is6():
		bits = 128
	case ip.Is6():
		bits = 64
	}
	from, _ := ip.Prefix(bits) // fails only for another number of bits
	return from
}
