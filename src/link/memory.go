package link

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// Memory is a network in memory, for tests and simulation. Its hosts are IP
// addresses; all its connections end when it is told so, not before. It starts no
// goroutine and reads no clock but Go's, so that testing/synctest can run it in
// virtual time. All methods may be called at the same time.
type Memory struct {
	mu        sync.Mutex
	delay     func(from, to string) time.Duration
	rate      func(from, to string) int // octets a second; 0 is any number
	listeners map[netip.AddrPort]*memoryListener
	ports     map[netip.Addr]uint16 // last one chosen
	conns     map[*memoryConn]struct{}
	parted    map[[2]netip.Addr]time.Time // since when
	refusing  map[netip.Addr]bool
	crashed   map[netip.Addr]bool
	changed   chan struct{} // closed when parted or crashed changes
}

// firstPort is where a Memory begins when it chooses ports.
const firstPort = 49152

// backlog is how many connections may wait to be accepted.
const backlog = 4096

// NewMemory returns a network. What one host writes arrives at another in order
// and after delay, which is called with their addresses for each write; nil is no
// delay. The function must not call the network.
func NewMemory(delay func(from, to string) time.Duration) *Memory {
	if delay == nil {
		delay = func(from, to string) time.Duration { return 0 }
	}
	return &Memory{
		delay:     delay,
		rate:      func(from, to string) int { return 0 },
		listeners: make(map[netip.AddrPort]*memoryListener),
		ports:     make(map[netip.Addr]uint16),
		conns:     make(map[*memoryConn]struct{}),
		parted:    make(map[[2]netip.Addr]time.Time),
		refusing:  make(map[netip.Addr]bool),
		crashed:   make(map[netip.Addr]bool),
		changed:   make(chan struct{}),
	}
}

// Host returns the network as the host with this IP address sees it. It panics if
// addr is no IP address.
func (m *Memory) Host(addr string) Transport {
	return memoryHost{m, netip.MustParseAddr(addr)}
}

// Cut breaks all connections of a host: both ends see a reset, and what is under
// way is lost.
func (m *Memory) Cut(addr string) {
	host := netip.MustParseAddr(addr)
	m.mu.Lock()
	defer m.mu.Unlock()
	for c := range m.conns {
		if c.local.Addr() == host {
			c.reset()
			c.peer.reset()
		}
	}
}

// Rate has each connection carry so many octets a second from one host to another, from
// the next write on; 0 is any number. The function must not call the network.
func (m *Memory) Rate(octets func(from, to string) int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rate = octets
}

// Crash takes a host off the network as a power cut does. There all connections fail,
// and listening and dialling too. The far ends are told nothing until Restore: what had
// left the host arrives, what they write does not, and dials wait.
func (m *Memory) Crash(addr string) {
	host := netip.MustParseAddr(addr)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.crashed[host] = true
	for c := range m.conns {
		if c.local.Addr() == host {
			c.vanished = true
			c.reset()
		}
	}
	for _, l := range m.listeners {
		if l.addr.Addr() == host {
			l.shut()
		}
	}
	m.change()
}

// Restore brings back a host that has crashed. It knows nothing of connections from
// before: their far ends see a reset.
func (m *Memory) Restore(addr string) {
	host := netip.MustParseAddr(addr)
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.crashed, host)
	for c := range m.conns {
		if c.peer.vanished && c.peer.local.Addr() == host {
			c.reset()
		}
	}
	m.change()
}

// Partition parts two hosts, or joins them again. While they are parted nothing
// arrives, though nothing is lost: writers find their buffers full in time, and
// dials wait. What has arrived before can be read.
func (m *Memory) Partition(a, b string, parted bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	pairs := maps.Clone(m.parted)
	pair := pairOf(netip.MustParseAddr(a), netip.MustParseAddr(b))
	if delete(pairs, pair); parted {
		pairs[pair] = time.Now()
	}
	m.part(pairs)
}

// Divide parts the hosts of different sides from each other as Partition does, and joins
// all others.
func (m *Memory) Divide(sides ...[]string) {
	now, pairs := time.Now(), map[[2]netip.Addr]time.Time{}
	for i, side := range sides {
		for _, other := range sides[i+1:] {
			for _, a := range side {
				for _, b := range other {
					pairs[pairOf(netip.MustParseAddr(a), netip.MustParseAddr(b))] = now
				}
			}
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.part(pairs)
}

// part has those pairs be parted, and no others.
func (m *Memory) part(pairs map[[2]netip.Addr]time.Time) {
	was := m.parted
	for pair, since := range was {
		if _, still := pairs[pair]; still {
			pairs[pair] = since
		}
	}
	m.parted = pairs
	for c := range m.conns {
		pair := pairOf(c.local.Addr(), c.peer.local.Addr())
		_, before := was[pair]
		if _, now := pairs[pair]; before && !now {
			c.changed.Broadcast()
		}
	}
	m.change()
}

// change has those look again who travel.
func (m *Memory) change() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// Refuse makes a host refuse new connections, or accept them again.
func (m *Memory) Refuse(addr string, refuse bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refusing[netip.MustParseAddr(addr)] = refuse
}

func (m *Memory) apart(a, b netip.Addr) bool {
	_, parted := m.parted[pairOf(a, b)]
	return parted
}

// pairOf names two hosts, whatever their order.
func pairOf(a, b netip.Addr) [2]netip.Addr {
	if b.Less(a) {
		a, b = b, a
	}
	return [2]netip.Addr{a, b}
}

// port returns a port of host that nobody listens on.
func (m *Memory) port(host netip.Addr) netip.AddrPort {
	for {
		if m.ports[host] < firstPort {
			m.ports[host] = firstPort - 1
		}
		m.ports[host]++
		addr := netip.AddrPortFrom(host, m.ports[host])
		if m.listeners[addr] == nil {
			return addr
		}
	}
}

// memoryHost is a Transport.
type memoryHost struct {
	net  *Memory
	addr netip.Addr
}

// Listen listens on an endpoint, whose ADDR is the host's own or *.
func (h memoryHost) Listen(ctx context.Context, endpoint string) (net.Listener, error) {
	e, err := parseEndpoint(endpoint)
	if err != nil {
		return nil, err
	}
	m := h.net
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.crashed[h.addr] {
		return nil, opError("listen", netip.AddrPortFrom(h.addr, 0), syscall.ENETDOWN)
	}
	if e.host != "" && e.host != h.addr.String() {
		return nil, opError("listen", netip.AddrPortFrom(h.addr, 0), syscall.EADDRNOTAVAIL)
	}
	if e.from == 0 {
		return m.listen(m.port(h.addr)), nil
	}
	for port := e.from; port <= e.to; port++ {
		if addr := netip.AddrPortFrom(h.addr, uint16(port)); m.listeners[addr] == nil {
			return m.listen(addr), nil
		}
	}
	return nil, opError("listen", netip.AddrPortFrom(h.addr, uint16(e.to)), syscall.EADDRINUSE)
}

func (m *Memory) listen(addr netip.AddrPort) *memoryListener {
	l := &memoryListener{net: m, addr: addr, arrived: sync.Cond{L: &m.mu}}
	m.listeners[addr] = l
	return l
}

// Dial connects to an endpoint. That takes the delays of both directions.
func (h memoryHost) Dial(ctx context.Context, endpoint string) (net.Conn, error) {
	e, err := parseEndpoint(endpoint)
	if err != nil {
		return nil, err
	}
	host, err := netip.ParseAddr(e.host)
	if err != nil || !e.definite() {
		return nil, fmt.Errorf("%w: %q cannot be dialled", ErrEndpoint, endpoint)
	}
	to := netip.AddrPortFrom(host, uint16(e.from))
	if err := h.travel(ctx, h.addr, host); err != nil {
		return nil, opError("dial", to, err)
	}
	conn, refused := h.net.connect(h.addr, to)
	if err := h.travel(ctx, host, h.addr); err != nil {
		if refused == nil {
			conn.Close()
		}
		return nil, opError("dial", to, err)
	}
	if refused != nil {
		return nil, opError("dial", to, refused)
	}
	return conn, nil
}

// connect makes a connection and puts its far end before the listener.
func (m *Memory) connect(host netip.Addr, to netip.AddrPort) (*memoryConn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.listeners[to]
	if l == nil || m.refusing[to.Addr()] || len(l.waiting) == backlog {
		return nil, syscall.ECONNREFUSED
	}
	near, far := m.pairLocked(m.port(host), to)
	l.waiting = append(l.waiting, far)
	l.arrived.Signal()
	return near, nil
}

// travel lets pass what a packet needs from one host to another.
func (h memoryHost) travel(ctx context.Context, from, to netip.Addr) error {
	m := h.net
	m.mu.Lock()
	for !m.crashed[h.addr] && (m.apart(from, to) || m.crashed[from] || m.crashed[to]) {
		changed := m.changed
		m.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		m.mu.Lock()
	}
	delay, down := m.delay(from.String(), to.String()), m.crashed[h.addr]
	m.mu.Unlock()
	if down {
		return syscall.ENETDOWN
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if delay == 0 {
		return nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// memoryListener is a net.Listener.
type memoryListener struct {
	net     *Memory
	addr    netip.AddrPort
	arrived sync.Cond
	waiting []*memoryConn
	closed  bool
}

func (l *memoryListener) Accept() (net.Conn, error) {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	for len(l.waiting) == 0 && !l.closed {
		l.arrived.Wait()
	}
	if l.closed {
		return nil, opError("accept", l.addr, net.ErrClosed)
	}
	conn := l.waiting[0]
	l.waiting = l.waiting[1:]
	return conn, nil
}

// Close stops listening, and breaks the connections that nobody has accepted.
func (l *memoryListener) Close() error {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	if l.closed {
		return opError("close", l.addr, net.ErrClosed)
	}
	for _, c := range l.waiting {
		c.reset()
		c.peer.reset()
	}
	l.shut()
	return nil
}

// shut ends the listener; who waits to be accepted is told nothing.
func (l *memoryListener) shut() {
	l.closed, l.waiting = true, nil
	delete(l.net.listeners, l.addr)
	l.arrived.Broadcast()
}

func (l *memoryListener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.addr) }

func opError(op string, addr netip.AddrPort, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Addr: net.TCPAddrFromAddrPort(addr), Err: err}
}
