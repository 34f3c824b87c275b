package link

import (
	"context"
	"fmt"
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
	rate      int // octets a second that a connection carries in each direction; 0 is any number
	listeners map[netip.AddrPort]*memoryListener
	ports     map[netip.Addr]uint16 // last one chosen
	conns     map[*memoryConn]struct{}
	parted    map[[2]netip.Addr]time.Time // since when
	refusing  map[netip.Addr]bool
	changed   chan struct{} // closed when parted changes
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
		listeners: make(map[netip.AddrPort]*memoryListener),
		ports:     make(map[netip.Addr]uint16),
		conns:     make(map[*memoryConn]struct{}),
		parted:    make(map[[2]netip.Addr]time.Time),
		refusing:  make(map[netip.Addr]bool),
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

// Rate has each connection carry so many octets a second in each direction, from the
// next write on; 0 is any number.
func (m *Memory) Rate(octets int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rate = octets
}

// Partition parts two hosts, or joins them again. While they are parted nothing
// arrives, though nothing is lost: writers find their buffers full in time, and
// dials wait. What has arrived before can be read.
func (m *Memory) Partition(a, b string, parted bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	pair := pairOf(netip.MustParseAddr(a), netip.MustParseAddr(b))
	if _, already := m.parted[pair]; !parted {
		delete(m.parted, pair)
	} else if !already {
		m.parted[pair] = time.Now()
	}
	close(m.changed)
	m.changed = make(chan struct{})
	for c := range m.conns {
		c.changed.Broadcast()
	}
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
	near, far := m.pair(m.port(host), to)
	l.waiting = append(l.waiting, far)
	l.arrived.Signal()
	return near, nil
}

// travel lets pass what a packet needs from one host to another.
func (h memoryHost) travel(ctx context.Context, from, to netip.Addr) error {
	m := h.net
	m.mu.Lock()
	for m.apart(from, to) {
		changed := m.changed
		m.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		m.mu.Lock()
	}
	delay := m.delay(from.String(), to.String())
	m.mu.Unlock()
	if ctx.Err() != nil {
		return context.Cause(ctx)
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
	l.closed = true
	delete(l.net.listeners, l.addr)
	for _, c := range l.waiting {
		c.reset()
		c.peer.reset()
	}
	l.waiting = nil
	l.arrived.Broadcast()
	return nil
}

func (l *memoryListener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.addr) }

func opError(op string, addr netip.AddrPort, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Addr: net.TCPAddrFromAddrPort(addr), Err: err}
}
