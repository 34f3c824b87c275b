package guard

import (
	"cmp"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
)

// What one address may cost a node. The arithmetic of keys, in a handshake of CURVE or
// for what a greeting shows, is in vain if that fails or if somebody replays it. So each
// stranger owes for it until it has proved to be worth it: an address may owe so much at
// once, and so much is forgiven a second; if many addresses owe, each may owe less. Who
// goes before it has come to that owes nothing, none owes more than it may, and all
// together not more than a second beyond that. Of the connections whose greeting has
// not been accepted, one address may have as many as the settings say, half of all unless
// they say otherwise, and the last quarter is for addresses that have none: there is room
// for the next unless hundreds are hostile. Who may have more may owe more at once.
const (
	failuresTight = 4 // while all owe failuresTotal
	failuresTotal = 1024
	FailuresRate  = 16 // a second, for each address
	totalRate     = 256
	maxAddresses  = 4096 // known at a time; the rest share what one may
)

// BurstOf returns what an address may owe at once that may have so many connections.
func BurstOf(perAddress int) float64 { return float64(perAddress) / 8 }

// Throttle bounds what connections of strangers cost. Its methods, and those of the
// visits that it lets in, are safe for concurrent use; those of one visit are not.
type Throttle struct {
	mu        sync.Mutex
	addresses map[netip.Prefix]*account
	total     account

	strangers, perAddress int // that may stand at a time
}

// newThrottle returns a throttle that nobody owes anything, for so many strangers in all and
// of an address, 0 for the defaults.
func newThrottle(strangers, perAddress int) *Throttle {
	return &Throttle{
		addresses: map[netip.Prefix]*account{},
		strangers: cmp.Or(strangers, api.DefaultNodeMaxStrangers), perAddress: cmp.Or(perAddress, api.DefaultNodeMaxPerAddress),
	}
}

// Strangers returns how many connections may stand at a time whose greeting has not been
// accepted; further ones are to be closed.
func (t *Throttle) Strangers() int { return t.strangers }

// ErrDebt says that an address owes too much.
var ErrDebt = errors.New("its address has cost too much of late")

// account is what an address owes, and what it has.
type account struct {
	Allowance // of arithmetic in vain
	standing  int
}

// Visit is a connection of a stranger.
type Visit struct {
	throttle *Throttle // nil once it is over
	from     netip.Prefix
	owes     bool // what the latest arithmetic has cost
}

// Admit lets a connection in, unless its address has cost too much.
func (t *Throttle) Admit(addr net.Addr, now time.Time) (v Visit, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total.settle(now, totalRate)
	v = Visit{throttle: t, from: prefixOf(addr)}
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
	a.settle(now, FailuresRate)
	if a.used >= t.burst() || a.standing >= t.perAddress || a.standing > 0 && !t.roomyLocked() {
		return v, false
	}
	a.standing++
	t.total.standing++
	return v, true
}

// burst returns what an address may owe at present.
func (t *Throttle) burst() float64 {
	if t.total.used >= failuresTotal {
		return failuresTight
	}
	return BurstOf(t.perAddress)
}

// Afford has the address owe for arithmetic that the stranger is about to cause, unless
// it owes too much. Who is no stranger any more owes nothing.
func (v *Visit) Afford(now time.Time) error {
	t := v.throttle
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.addresses[v.from]
	a.settle(now, FailuresRate)
	t.total.settle(now, totalRate)
	if a.used >= t.burst() {
		return ErrDebt
	}
	v.owes = true
	a.used++
	t.total.used = min(t.total.used+1, failuresTotal+totalRate)
	return nil
}

// Refund says that the latest arithmetic was not in vain.
func (v *Visit) Refund() {
	if v.throttle == nil || !v.owes {
		return
	}
	v.throttle.mu.Lock()
	defer v.throttle.mu.Unlock()
	v.owes = false
	for _, a := range []*account{v.throttle.addresses[v.from], &v.throttle.total} {
		a.used = max(0, a.used-1)
	}
}

// End says that the connection is no stranger's any more, or has ended.
func (v *Visit) End() {
	t := v.throttle
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	v.throttle = nil
	a := t.addresses[v.from]
	t.total.standing--
	if a.standing--; a.standing == 0 && a.used == 0 {
		delete(t.addresses, v.from)
	}
}

// Owes tells whether arithmetic was paid for that was in vain so far.
func (v *Visit) Owes() bool { return v.owes }

// Standing returns how many connections of strangers stand.
func (t *Throttle) Standing() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.total.standing
}

// Roomy tells whether there is room for what may come from as many addresses as somebody likes.
func (t *Throttle) Roomy() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.roomyLocked()
}

func (t *Throttle) roomyLocked() bool { return t.total.standing < t.strangers*3/4 }

// forget drops the addresses that have nothing against them.
func (t *Throttle) forget(now time.Time) {
	for from, a := range t.addresses {
		if a.settle(now, FailuresRate); a.used == 0 && a.standing == 0 {
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
