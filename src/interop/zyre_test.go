package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeromq/goczmq"

	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/beacon"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/wire"
)

// zyreEnv has the zyreConfig of a process that is a double of Zyre.
const zyreEnv = "INTEROP_ZYRE"

// zyreConfig says how a double is to be.
type zyreConfig struct {
	Name      string
	Address   netip.Prefix // where it accepts connections, and the network of its beacons
	Device    string       // that has the network
	Port      uint16       // UDP port of the beacons; 0 for none
	Advertise string       // where peers are told to reach it; empty for where it accepts connections
	Groups    []string     // to be in from the start
	Contests  []string     // groups that it contests
	Evasive   time.Duration
	Expired   time.Duration
}

// startZyre starts a double in a process of its own, which can be killed. Command
// is put before the program.
func startZyre(t *testing.T, c zyreConfig, command ...string) *plainNode {
	t.Helper()
	if c.Evasive == 0 {
		c.Evasive, c.Expired = 5*time.Second, 30*time.Second // as Zyre has it
	}
	config, err := json.Marshal(c)
	must(t, err)
	command = append(command, os.Args[0])
	node := exec.Command(command[0], command[1:]...)
	// Go's preemption signal interrupts libzmq.
	node.Env = append(os.Environ(), zyreEnv+"="+string(config), "GODEBUG=asyncpreemptoff=1")
	return startPlain(t, c.Name, node)
}

// zyre does what a node of Zyre 2.0 does (zyre_node.c, zyre_peer.c, zyre_group.c),
// with the same sockets and the same settings of them:
//
//	inbox    a ROUTER with handover, bound to the first free port from 49152,
//	         which is the same for each start on a quiet host
//	mailbox  a DEALER for each peer, with an identity of 1 and the UUID, which
//	         waits for nothing: when its queue is full the peer is cut off
//
// A HELLO is the first message of a mailbox and is not said again: when a connection
// breaks, libzmq makes the next one and tells nobody. Who is out of step is
// removed, and so is who greets twice. Where Zyre stops at an assertion, so does the
// double.
type zyre struct {
	zyreConfig
	id       uuid.UUID
	endpoint string
	inbox    *goczmq.Sock
	status   byte
	own      []string // groups
	peers    map[uuid.UUID]*zyrePeer
	groups   map[string]*zyreGroup
	out      *json.Encoder
}

type zyrePeer struct {
	id       uuid.UUID
	name     string
	endpoint string
	mailbox  *goczmq.Sock // nil when it is cut off
	ready    bool         // it has greeted us
	status   byte
	sent     uint16
	want     uint16
	heard    time.Time
}

type zyreGroup struct {
	name  string
	peers map[uuid.UUID]*zyrePeer
	ballot
}

// zyreMain runs a double until standard input ends.
func zyreMain(text string) {
	z := &zyre{peers: map[uuid.UUID]*zyrePeer{}, groups: map[string]*zyreGroup{}, out: json.NewEncoder(os.Stdout)}
	err := json.Unmarshal([]byte(text), &z.zyreConfig)
	for z.id == uuid.Nil || slices.Contains(z.id[:], 0) { // which goczmq cuts an identity at
		z.id = uuid.New()
	}
	if err == nil {
		err = z.run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// run does one thing at a time in one thread, as Zyre's actor does.
func (z *zyre) run() error {
	runtime.LockOSThread()
	z.inbox = goczmq.NewSock(goczmq.Router)
	z.inbox.SetRouterHandover(1)
	z.inbox.SetRcvtimeo(5)
	port, err := z.inbox.Bind(fmt.Sprintf("tcp://%s:*", z.Address.Addr()))
	if err != nil {
		return fmt.Errorf("bind to %s: %w", z.Address, err)
	}
	z.endpoint = fmt.Sprintf("tcp://%s:%d", z.Address.Addr(), port)
	if z.Advertise == "" {
		z.Advertise = z.endpoint
	}
	z.own, z.status = z.Groups, byte(len(z.Groups))
	for _, group := range z.Contests {
		z.group(group).contests = true
	}
	z.tell(Event{Type: "ready", Peer: hex(z.id), Name: z.Name, Addr: z.endpoint})
	calls := make(chan func()) // closed when standard input has ended
	over, err := z.announce(uint16(port), calls)
	if err != nil {
		return err
	}
	go z.obey(json.NewDecoder(os.Stdin), calls)
	reap := time.Now().Add(time.Second)
	for {
		select {
		case call := <-calls:
			if call == nil {
				return over() // its sockets go with the process, and with them what is queued
			}
			call()
			continue
		default:
		}
		if frames, err := z.inbox.RecvMessage(); err == nil {
			z.hear(frames)
		} else if now := time.Now(); now.After(reap) {
			reap = now.Add(time.Second)
			z.reap()
		}
	}
}

// announce sends beacons of version 1 and hears those of others, until over is
// called, which says goodbye by a beacon with port 0.
func (z *zyre) announce(port uint16, calls chan<- func()) (over func() error, err error) {
	if z.Port == 0 {
		return func() error { return nil }, nil
	}
	device, err := net.InterfaceByName(z.Device)
	if err != nil {
		return nil, err
	}
	network := beacon.Interface{Name: z.Device, Index: device.Index, Addr: z.Address, Broadcast: lastAddress(z.Address)}
	ctx, cancel := context.WithCancel(context.Background())
	udp, err := beacon.Listen(ctx, z.Port, []beacon.Interface{network})
	if err != nil {
		cancel()
		return nil, err
	}
	ended := make(chan error, 1)
	go func() {
		ended <- udp.Run(ctx, sight.Announcement{ID: z.id, Port: port, Interval: time.Second}, func(list []sight.Sighting) {
			see := func() { z.sight(list[0]) }
			select {
			case calls <- see:
			case <-ctx.Done():
			}
		})
	}()
	return func() error { cancel(); return <-ended }, nil
}

// lastAddress returns the address that a network's broadcasts go to.
func lastAddress(network netip.Prefix) netip.Addr {
	octets := network.Addr().As4()
	for bit := network.Bits(); bit < 32; bit++ {
		octets[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(octets)
}

// obey passes on what standard input asks for.
func (z *zyre) obey(in *json.Decoder, calls chan<- func()) {
	for {
		var c Command
		if err := in.Decode(&c); errors.Is(err, io.EOF) {
			calls <- nil
			return
		} else if err != nil {
			z.die("command: %v", err)
		}
		calls <- func() { z.do(c) }
	}
}

func (z *zyre) do(c Command) {
	switch c.Do {
	case "whisper":
		if p := z.peers[uuid.MustParse(c.To)]; p != nil {
			z.send(p, &zremsg.Whisper{}, c.Content)
		}
	case "shout":
		if g := z.groups[c.To]; g != nil {
			z.sendAll(g, &zremsg.Shout{Group: c.To}, c.Content)
		}
	case "join":
		z.own, z.status = append(z.own, c.To), z.status+1
		for _, p := range z.peers {
			z.send(p, &zremsg.Join{Group: c.To, Status: z.status})
		}
	case "leave":
		z.own, z.status = slices.DeleteFunc(z.own, func(g string) bool { return g == c.To }), z.status+1
		for _, p := range z.peers {
			z.send(p, &zremsg.Leave{Group: c.To, Status: z.status})
		}
	case "stall": // as it does when its application takes no events
		d, err := time.ParseDuration(string(c.Content))
		if err != nil {
			z.die("stall: %v", err)
		}
		time.Sleep(d)
	default:
		z.die("unknown command %q", c.Do)
	}
}

// sight takes in a beacon.
func (z *zyre) sight(s sight.Sighting) {
	if !s.Gone {
		z.require(s.ID, s.Endpoint.Bare())
	} else if p := z.peers[s.ID]; p != nil {
		z.remove(p)
	}
}

// require returns the peer, which it makes and greets if there is none. Who was at
// the same endpoint is cut off.
func (z *zyre) require(id uuid.UUID, endpoint string) *zyrePeer {
	if p := z.peers[id]; p != nil {
		return p
	}
	for _, other := range z.peers {
		if other.endpoint == endpoint {
			z.cutOff(other)
		}
	}
	p := &zyrePeer{id: id, endpoint: endpoint, mailbox: goczmq.NewSock(goczmq.Dealer), heard: time.Now()}
	p.mailbox.SetIdentity("\x01" + string(z.id[:]))
	p.mailbox.SetSndhwm(int(z.Expired.Milliseconds()) * 100)
	p.mailbox.SetSndtimeo(0)
	p.mailbox.SetLinger(0)
	if err := p.mailbox.Connect(endpoint); err != nil {
		z.die("connect to %s: %v", endpoint, err)
	}
	z.peers[id] = p
	z.send(p, &zremsg.Hello{
		Endpoint: z.Advertise, Groups: z.own, Status: z.status, Name: z.Name,
		Headers: []wire.Pair{{Key: "X-NAME", Value: z.Name}},
	})
	return p
}

// cutOff drops what is queued for a peer and says nothing to it any more.
func (z *zyre) cutOff(p *zyrePeer) {
	if p.mailbox != nil {
		p.mailbox.Destroy()
		p.mailbox, p.endpoint, p.ready = nil, "", false
	}
}

func (z *zyre) remove(p *zyrePeer) {
	z.tell(Event{Type: "exit", Peer: hex(p.id), Name: p.name})
	for _, g := range z.groups {
		delete(g.peers, p.id)
	}
	z.cutOff(p)
	delete(z.peers, p.id)
}

// send sends a message to a peer, or cuts it off if that would have to wait.
func (z *zyre) send(p *zyrePeer, m zremsg.Message, content ...[]byte) {
	if p.mailbox == nil {
		return
	}
	p.sent++
	reflect.ValueOf(m).Elem().FieldByName("Sequence").SetUint(uint64(p.sent))
	frame, err := m.AppendTo(nil)
	if err != nil {
		z.die("%T: %v", m, err)
	}
	if err := p.mailbox.SendMessage(append([][]byte{frame}, content...)); err != nil {
		fmt.Fprintf(os.Stderr, "%s cuts %s off: %v\n", z.Name, p.name, err)
		z.cutOff(p)
	}
}

func (z *zyre) sendAll(g *zyreGroup, m zremsg.Message, content ...[]byte) {
	for _, p := range g.peers {
		z.send(p, m, content...)
	}
}

// hear takes in a message of the inbox.
func (z *zyre) hear(frames [][]byte) {
	if len(frames) < 2 || len(frames[0]) != 17 {
		return
	}
	id := uuid.UUID(frames[0][1:])
	kind, err := zremsg.Peek(frames[1])
	if err != nil {
		return
	}
	m := zremsg.New(kind)
	if err := m.Decode(frames[1], frames[2:]); err != nil {
		return
	}
	p := z.peers[id]
	if hello, ok := m.(*zremsg.Hello); ok {
		if p != nil && p.ready {
			z.remove(p)
		} else if p != nil && p.endpoint == z.endpoint {
			return
		}
		p = z.require(id, hello.Endpoint)
		p.ready, p.want = true, 0
	}
	if p == nil || !p.ready {
		return
	}
	if p.want++; sequence(m) != p.want {
		fmt.Fprintf(os.Stderr, "%s: %v from %s has sequence %d, should have %d\n", z.Name, kind, p.name, sequence(m), p.want)
		z.remove(p)
		return
	}
	z.take(p, m)
	p.heard = time.Now()
}

// take does what a message asks for.
func (z *zyre) take(p *zyrePeer, m zremsg.Message) {
	e := Event{Peer: hex(p.id), Name: p.name}
	switch m := m.(type) {
	case *zremsg.Hello:
		p.name = m.Name
		z.tell(Event{Type: "enter", Peer: hex(p.id), Name: m.Name, Addr: m.Endpoint})
		for _, group := range m.Groups {
			z.joins(p, group)
		}
		p.status = m.Status
	case *zremsg.Whisper:
		e.Type, e.Content = "whisper", slices.Concat(m.Content...)
		z.tell(e)
	case *zremsg.Shout:
		e.Type, e.Group, e.Content = "shout", m.Group, slices.Concat(m.Content...)
		z.tell(e)
	case *zremsg.Ping:
		z.send(p, &zremsg.PingOK{})
	case *zremsg.Join:
		z.joins(p, m.Group)
		z.hold(m.Status == p.status, "JOIN of %s has status %d, should have %d", p.name, m.Status, p.status)
		z.joined(m.Group)
	case *zremsg.Leave:
		e.Type, e.Group = "leave", m.Group
		z.tell(e)
		delete(z.group(m.Group).peers, p.id)
		p.status++
		z.hold(m.Status == p.status, "LEAVE of %s has status %d, should have %d", p.name, m.Status, p.status)
		z.left(p, m.Group)
	case *zremsg.Elect:
		z.elect(p, z.group(m.Group), m.ChallengerID)
	case *zremsg.Leader:
		z.lead(p, z.group(m.Group), m.LeaderID)
	}
}

func (z *zyre) joins(p *zyrePeer, group string) {
	z.group(group).peers[p.id] = p
	p.status++
	z.tell(Event{Type: "join", Peer: hex(p.id), Name: p.name, Group: group})
}

func (z *zyre) group(name string) *zyreGroup {
	g := z.groups[name]
	if g == nil {
		g = &zyreGroup{name: name, peers: map[uuid.UUID]*zyrePeer{}}
		z.groups[name] = g
	}
	return g
}

// reap asks peers that are quiet for a sign of life and removes those that were so
// for long.
func (z *zyre) reap() {
	for _, p := range z.peers {
		switch quiet := time.Since(p.heard); {
		case quiet >= z.Expired:
			z.remove(p)
		case quiet >= z.Evasive:
			z.send(p, &zremsg.Ping{})
			z.tell(Event{Type: "evasive", Peer: hex(p.id), Name: p.name})
		}
	}
}

func (z *zyre) tell(e Event) {
	if err := z.out.Encode(e); err != nil {
		z.die("tell: %v", err)
	}
}

// hold is an assertion of Zyre's.
func (z *zyre) hold(ok bool, format string, args ...any) {
	if !ok {
		z.die("assertion: "+format, args...)
	}
}

func (z *zyre) die(format string, args ...any) {
	fmt.Fprintf(os.Stderr, z.Name+": "+format+"\n", args...)
	os.Exit(2)
}

// diary takes what a node logs and what it tells, for those who look for what went
// wrong.
type diary struct {
	mu    sync.Mutex
	began time.Time
	text  bytes.Buffer
}

func (d *diary) Write(line []byte) (int, error) {
	d.note("%s", bytes.TrimSpace(line))
	return len(line), nil
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintf(&d.text, "%7.3f ", time.Since(d.began).Seconds())
	fmt.Fprintf(&d.text, format+"\n", args...)
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.String()
}
