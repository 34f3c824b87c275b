package relay

import (
	"crypto/hmac"
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/google/uuid"

	machine "github.com/sjohnr/at-once/generated/go/circuit"
)

// ErrQuota says that somebody has as many circuits as it may have, or all have.
var ErrQuota = errors.New("too many circuits")

// Limits bound what is lent. What is zero is not bounded, but for Idle.
type Limits struct {
	Circuits   int           // at a time
	PerID      int           // that one node has asked for
	PerAddress int           // that the nodes of one address have asked for
	Rate       int           // octets a second each way of a circuit
	TotalRate  int           // octets a second of all
	Idle       time.Duration // for which nothing passes until a circuit ends; default as in the model
}

// End is an end of a circuit.
type End struct {
	ID   uuid.UUID
	From netip.Prefix // whom its address is counted with
}

// Figures are what a relay has done.
type Figures struct {
	Circuits int    `json:"circuits"` // now
	Lent     uint64 `json:"lent"`     // in all
	Octets   uint64 `json:"octets"`   // that have passed
}

// Relay lends circuits. All methods may be called from any goroutine.
type Relay struct {
	key   []byte
	total throttle
	work  sync.WaitGroup

	mu       sync.Mutex
	limits   Limits
	closed   bool
	circuits map[name]*circuit
	ids      map[uuid.UUID]int
	from     map[netip.Prefix]int
	figures  Figures
}

// New returns a relay. Close must follow.
func New(limits Limits) *Relay {
	r := &Relay{key: make([]byte, 32), circuits: map[name]*circuit{}, ids: map[uuid.UUID]int{}, from: map[netip.Prefix]int{}}
	rand.Read(r.key)
	r.Limit(limits)
	return r
}

// Limit sets other limits, for what is lent from now on.
func (r *Relay) Limit(limits Limits) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if limits.Idle == 0 {
		limits.Idle = machine.DefaultIdle
	}
	r.limits = limits
	r.total.set(limits.TotalRate)
}

// Lend returns the tickets of a circuit: of who asks for it, whom it is charged to, and of
// the other end.
func (r *Relay) Lend(asks, other End) (first, second []byte, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	over := func(has, may int) bool { return may > 0 && has >= may }
	if r.closed || over(len(r.circuits), r.limits.Circuits) || over(r.ids[asks.ID], r.limits.PerID) || over(r.from[asks.From], r.limits.PerAddress) {
		return nil, nil, ErrQuota
	}
	c := &circuit{relay: r, ends: [2]End{asks, other}, rate: r.limits.Rate, idle: r.limits.Idle}
	rand.Read(c.name[:])
	c.timer = time.AfterFunc(machine.DefaultTicket, c.due)
	r.circuits[c.name] = c
	r.ids[asks.ID]++
	r.from[asks.From]++
	r.figures.Lent++
	expiry := time.Now().Add(ticketLife)
	return newTicket(r.key, 0, c.name, expiry, asks.ID, other.ID), newTicket(r.key, 1, c.name, expiry, other.ID, asks.ID), nil
}

// Take takes a connection that has begun with a ticket, which is read. It belongs to the
// relay from then on, and is closed if the ticket is not good.
func (r *Relay) Take(conn net.Conn, ticket []byte) error {
	leg, circuit, err := parseTicket(ticket, time.Now())
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.circuits[circuit]
	if err != nil || c == nil || c.legs[leg] != nil ||
		!hmac.Equal(ticket[tagAt:], tag(r.key, ticket, c.ends[leg].ID, c.ends[1-leg].ID)) {
		_ = conn.Close()
		return ErrTicket
	}
	c.legs[leg] = conn
	c.fire(machine.EventLeg)
	return nil
}

// Figures returns what the relay has done.
func (r *Relay) Figures() Figures {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.figures
	f.Circuits = len(r.circuits)
	return f
}

// Close ends all circuits, and lends none any more.
func (r *Relay) Close() {
	r.mu.Lock()
	r.closed = true
	for _, c := range r.circuits {
		c.fire(machine.EventLost)
	}
	r.mu.Unlock()
	r.work.Wait()
}

// forget lets go of a circuit. The caller holds the lock.
func (r *Relay) forget(c *circuit) {
	delete(r.circuits, c.name)
	if r.ids[c.ends[0].ID]--; r.ids[c.ends[0].ID] == 0 {
		delete(r.ids, c.ends[0].ID)
	}
	if r.from[c.ends[0].From]--; r.from[c.ends[0].From] == 0 {
		delete(r.from, c.ends[0].From)
	}
}
