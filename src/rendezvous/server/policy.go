package server

import (
	"crypto/ed25519"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/rendezvous/relay"
)

// Policy is whom a server lets in, and what each may have. It may change while it runs.
type Policy struct {
	Members    []ed25519.PublicKey // networks whose members alone are let in; nil is anybody
	Allow      map[uuid.UUID]bool  // ids that alone are let in; nil is anybody
	MaxPeers   int
	AcceptRate float64 // connections a second
	Burst      float64 // at once
	PerAddress int     // connections of an IPv4 address or an IPv6 /64; sixteen times as many of a /48
	Requests   float64 // a second of one connection
	Relays     bool    // circuits are lent
	Circuits   relay.Limits
}

// What is bounded however the policy is.
const (
	maxConnections  = 1 << 20
	maxOfIdentity   = 4 // connections
	requestsBurst   = 4 // seconds
	introduceRate   = 2 // a second of one connection
	introduceBurst  = 60
	introduceAtOnce = 16
	aheadRate       = 64 << 10 // octets a second of one connection
	aheadBurst      = 256 << 10
	patience        = 1000 // requests over the rate until a connection is closed
)

// allowances are what the node of one connection may ask for. Zero has asked for nothing yet.
type allowances struct{ requests, meets, ahead guard.Allowance }

// ask tells whether there may be another request, at so many a second; 0 is any number.
func (a *allowances) ask(now time.Time, rate float64) bool {
	return rate <= 0 || a.requests.Use(1, now, rate*requestsBurst, rate)
}

// meet tells whether the node may ask for another introduction, circuit or dial back.
func (a *allowances) meet(now time.Time) bool {
	return a.meets.Use(1, now, introduceBurst, introduceRate)
}

// sendAhead tells whether so many octets more may be sent ahead of a circuit.
func (a *allowances) sendAhead(octets int, now time.Time) bool {
	return a.ahead.Use(float64(octets), now, aheadBurst, aheadRate)
}

// quotas count the connections of addresses. They are under the lock of the server.
type quotas struct {
	standing map[netip.Prefix]int
}

func newQuotas() quotas { return quotas{map[netip.Prefix]int{}} }

// wideFactor is how many times as much a /48 may have as a /64.
const wideFactor = 16

// prefixesOf returns whom an address is counted with: itself, or its /64 and /48.
func prefixesOf(addr netip.Addr) []netip.Prefix {
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return []netip.Prefix{netip.PrefixFrom(addr, 32)}
	}
	narrow, err1 := addr.Prefix(64)
	wide, err2 := addr.Prefix(48)
	if err1 != nil || err2 != nil {
		return []netip.Prefix{{}} // no IP address: all such together
	}
	return []netip.Prefix{narrow, wide}
}

// enter counts a connection, unless its address has too many.
func (q *quotas) enter(from []netip.Prefix, most int) bool {
	for i, prefix := range from {
		may := most
		if i > 0 {
			may *= wideFactor
		}
		if most > 0 && q.standing[prefix] >= may {
			return false
		}
	}
	for _, prefix := range from {
		q.standing[prefix]++
	}
	return true
}

func (q *quotas) leave(from []netip.Prefix) {
	for _, prefix := range from {
		if q.standing[prefix]--; q.standing[prefix] == 0 {
			delete(q.standing, prefix)
		}
	}
}
