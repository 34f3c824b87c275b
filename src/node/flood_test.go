package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/dial"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/wire"
	"github.com/sjohnr/at-once/src/zmtp"
	"github.com/sjohnr/at-once/src/zre"
)

// live starts a node on loopback, over TCP, that no beacon tells of unless prepare
// says so.
func live(t *testing.T, name string, prepare ...func(*Node)) *actor {
	t.Helper()
	n, err := New(name)
	if err != nil {
		t.Fatal(err)
	}
	n.settings.BeaconPort, n.settings.endpoint = 0, "tcp://127.0.0.1:*"
	for _, p := range prepare {
		p(n)
	}
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Stop() })
	return &actor{Node: n, lan: &lan{t: t}}
}

// friends starts two nodes that know each other.
func friends(t *testing.T) (ana, ben *actor) {
	t.Helper()
	ana, ben = live(t, "ana"), live(t, "ben")
	ana.must(ben.RequirePeer(ana.UUID(), ana.Endpoint()))
	ana.wants("enter ben")
	ben.wants("enter ana")
	return ana, ben
}

// talk lets a node say something to another that hears nothing before it.
func (a *actor) talk(to *actor) {
	a.lan.t.Helper()
	a.must(a.Whisper(a.lan.t.Context(), to.UUID(), text("still here")))
	to.wants(fmt.Sprintf("whisper %s %q", a.Name(), "still here"))
}

// until waits for a condition, on a real clock.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still not: %s", what)
		}
	}
}

// descriptors returns how many files and sockets this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("needs /proc")
	}
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

// TestFloods opens connections by the hundred to a node that has a good peer. The
// node ends them while the far side would have them stay, each is counted, and
// the good peer notices nothing.
func TestFloods(t *testing.T) {
	const few = 300
	drip := func(conn net.Conn) {
		for _, octet := range append(zmtp.AppendGreeting(nil, zmtp.Null), make([]byte, 1<<10)...) {
			if _, err := conn.Write([]byte{octet}); err != nil {
				return
			}
			time.Sleep(time.Second) // the attack: the greeting would take a minute
		}
	}
	mute := func(conn net.Conn) {
		h := zmtp.NewHandshake(zmtp.Metadata{Type: zmtp.Dealer, Identity: routingID(uuid.New())})
		_, _ = h.Run(conn) // it may fail; the count tells
		for err := error(nil); err == nil; _, err = conn.Write([]byte("\x04\x07\x04PING\x00\x00")) {
			time.Sleep(time.Second)
		}
	}
	for _, c := range []struct {
		name        string
		connections int
		attack      func(net.Conn)
		counted     string
		times       uint64
	}{
		{"half-open", few, func(net.Conn) {}, "handshakes that failed", few},
		{"slow loris", few, drip, "handshakes that failed", few},
		{"no greeting", few, mute, "greetings that never came", few},
		{"more than there may be", api.DefaultNodeMaxStrangers + 50, func(net.Conn) {}, "connections over the limit", 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLAN(t)
				ana, ben := l.node("ana"), l.node("ben")
				defer ana.Stop()
				defer ben.Stop()
				ana.wants("enter ben")
				ben.wants("enter ana")
				var attackers sync.WaitGroup
				for i := range c.connections {
					conn, err := l.memory.Host(fmt.Sprintf("10.1.%d.%d", i>>8, i&255)).Dial(t.Context(), ana.Endpoint())
					ana.must(err)
					attackers.Go(func() {
						defer conn.Close()
						c.attack(conn)
						_, _ = io.Copy(io.Discard, conn) // until the node ends it
					})
				}
				ben.talk(ana)
				start := time.Now()
				attackers.Wait()
				if took := time.Since(start); took > 12*time.Second {
					t.Errorf("it took %v to be rid of them", took)
				}
				if got := ana.Counts()[c.counted]; got != c.times {
					t.Errorf("%q counted %d times; counts: %v", c.counted, got, ana.Counts())
				}
				ben.talk(ana)
				ana.talk(ben)
			})
		})
	}
}

// TestStrangersCostLittle holds as many half-open TCP connections as there may be.
func TestStrangersCostLittle(t *testing.T) {
	memory := 16 << 10 // octets a connection, both sides together
	if racing {
		memory = 24 << 10
	}
	ana, ben := friends(t)
	files, octets := descriptors(t), heap()
	var conns []net.Conn
	for i := range api.DefaultNodeMaxStrangers + 10 {
		from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(i>>8), byte(i))}}
		conn, err := from.Dial("tcp", strings.TrimPrefix(ana.Endpoint(), "tcp://"))
		ana.must(err)
		conns = append(conns, conn)
	}
	until(t, "those over the limit are counted", func() bool { return ana.Counts()["connections over the limit"] == 10 })
	if held := descriptors(t) - files; held > 2*api.DefaultNodeMaxStrangers+10 {
		t.Errorf("%d connections hold %d descriptors", len(conns), held)
	}
	if took := heap() - octets; took > memory*len(conns) {
		t.Errorf("%d connections take %d octets", len(conns), took)
	}
	ben.talk(ana)
	for _, conn := range conns {
		conn.Close()
	}
	until(t, "no descriptor is left", func() bool { return descriptors(t) <= files })
	until(t, "all have failed", func() bool { return ana.Counts()["handshakes that failed"] == api.DefaultNodeMaxStrangers })
	ana.talk(ben)
}

// dials counts attempts to connect that are under way; nobody answers at hosts in
// 10.6.
type dials struct {
	link.Transport
	now, most atomic.Int32
}

func (d *dials) Dial(ctx context.Context, endpoint string) (net.Conn, error) {
	if !strings.HasPrefix(endpoint, "tcp://10.6.") {
		return d.Transport.Dial(ctx, endpoint)
	}
	d.most.Store(max(d.most.Load(), d.now.Add(1)))
	defer d.now.Add(-1)
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestSightingsOfNobody sights ten thousand peers that do not exist. Few are
// dialled at a time, and a peer that does exist need not wait behind them.
func TestSightingsOfNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const sightings = 10_000
		l := newLAN(t)
		var d dials
		ana := l.node("ana", func(n *Node) { d.Transport, n.world.Transport = n.world.Transport, &d })
		defer ana.Stop()
		for i := range sightings {
			id := mallory
			id[0], id[1], id[2] = byte(i), byte(i>>8), 1
			ana.loop.post(zre.Sighted{Peer: id, Endpoint: sight.At(fmt.Sprintf("10.6.%d.%d", byte(i>>8), byte(i)), 1)})
		}
		start := time.Now()
		ben := l.node("ben")
		defer ben.Stop()
		ana.wants("enter ben")
		ben.wants("enter ana")
		if d := time.Since(start); d > time.Second {
			t.Errorf("a good peer waits %v", d)
		}
		ana.unreached(time.Minute, guard.MaxRefusals)
		if most := d.most.Load(); most > dial.Most || most < dial.Most/2 {
			t.Errorf("%d dials at a time", most)
		}
		if got := ana.Counts()["sightings over the limit"]; got < sightings-zre.MaxPeers/2 {
			t.Errorf("%d sightings over the limit", got)
		}
		ana.loop.do(func() {
			if left := len(ana.loop.peers); left != 1 {
				t.Errorf("%d calls are left", left)
			}
		})
	})
}

// TestNonsenseByBeacon broadcasts what is no beacon, and beacons of nobody, on
// loopback to two nodes that found each other by beacon.
func TestNonsenseByBeacon(t *testing.T) {
	free, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := sight.Of(free.LocalAddr()).Port()
	free.Close()
	beacons := func(n *Node) { n.settings.BeaconPort, n.settings.interfaces = int(port), []string{"127.0.0.1"} }
	ana, ben := live(t, "ana", beacons), live(t, "ben", beacons)
	ana.wants("enter ben")
	ben.wants("enter ana")
	files, octets := descriptors(t), heap()
	conn, err := net.Dial("udp4", fmt.Sprint("127.255.255.255:", port))
	ana.must(err)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 5000 {
		datagram := make([]byte, 22+i%2*random.IntN(40))
		for at := range datagram {
			datagram[at] = byte(random.Uint32())
		}
		if i%3 > 0 {
			copy(datagram, "ZRE\x01")
			copy(datagram[20:], "\x00\x01") // where nobody accepts connections
		}
		_, err := conn.Write(datagram)
		ana.must(err)
		if now := descriptors(t); i%100 == 0 && now > files+2*dial.Most+8 {
			t.Fatalf("%d descriptors, %d before", now, files)
		}
	}
	conn.Close()
	until(t, "nobody is called any more", func() (done bool) {
		ana.loop.do(func() { done = len(ana.loop.peers) == 1 })
		return done
	})
	until(t, "no descriptor is left", func() bool { return descriptors(t) <= files })
	if took := heap() - octets; took > 4<<20 {
		t.Errorf("%d octets are left of it", took)
	}
	for from, to := range map[*actor]*actor{ana: ben, ben: ana} { // who does not accept connections may be told of first
		ana.must(from.Whisper(t.Context(), to.UUID(), text("still here")))
		to.has(fmt.Sprintf("whisper %s %q", from.Name(), "still here"), time.Minute)
	}
}

// TestImpostor claims to be a peer without identity that is present, in ways that a
// plain peer could; the peer stays and is heard.
func TestImpostor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana, ben := l.node("ana", with(api.NodeSecurityPlain)), l.node("ben", with(api.NodeSecurityPlain))
		defer ana.Stop()
		defer ben.Stop()
		ana.wants("enter ben")
		ben.wants("enter ana")
		for i, headers := range [][]wire.Pair{nil, {{Key: "X-ONCE-INCARNATION", Value: "nonsense"}}, {{Key: "X-ONCE-INCARNATION", Value: "1"}}} {
			s := l.stranger(ana, routingID(ben.UUID()))
			s.say(frame(&zremsg.Whisper{Sequence: 1, Content: text("it is me")}, []byte("it is me")))
			s.say(frame(&zremsg.Goodbye{Sequence: 1}))
			s.say(frame(&zremsg.Hello{Sequence: 1, Endpoint: "tcp://10.0.0.66:9", Name: "ben", Headers: headers}))
			s.say(frame(&zremsg.Goodbye{Sequence: 2}))
			<-s.done // it is shown the door
			s.Close()
			if got := ana.Counts()["stale greetings"]; got != uint64(i+1) {
				t.Fatalf("stale greetings counted %d times", got)
			}
			ana.loop.post(zre.Vanished{Peer: ben.UUID()}) // a goodbye by beacon, forged too
			ben.talk(ana)
			ana.talk(ben)
		}
		ana.idle(time.Minute)
	})
}

// TestPeerThatNeverReads fills all that a node keeps for a peer: it stays bounded,
// a fresh connection is made when not even a JOIN has room, and others go on.
func TestPeerThatNeverReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana, ben := l.node("ana"), l.node("ben")
		defer ana.Stop()
		defer ben.Stop()
		ana.wants("enter ben")
		ben.wants("enter ana")
		listener, err := l.memory.Host("10.0.0.66").Listen(t.Context(), "tcp://*:*")
		ana.must(err)
		accepted := make(chan net.Conn, 16)
		go func() {
			defer close(accepted)
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				_, _ = zmtp.NewHandshake(zmtp.Metadata{Type: zmtp.Router}).Run(conn)
				accepted <- conn
			}
		}()
		s := l.stranger(ana, routingID(mallory))
		s.say(frame(&zremsg.Hello{Sequence: 1, Endpoint: fmt.Sprint("tcp://", listener.Addr()), Name: "mallory"}))
		ana.wants("enter mallory")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		sent := 0
		for ; ctx.Err() == nil; sent += 64 << 10 {
			_ = ana.Whisper(ctx, mallory, [][]byte{make([]byte, 64<<10)})
		}
		if sent > ana.settings.Outbox+4<<20 {
			t.Errorf("%d octets were taken for who does not read", sent)
		}
		group := strings.Repeat("g", 200)
		for ana.Counts()["control overflows"] == 0 {
			ana.must(errors.Join(ana.Join(group), ana.Leave(group)))
		}
		seen := 0
		for ; seen < 100; seen++ { // ben heard of each join and leave, or of none
			ben.wants("join ana " + group)
			ben.wants("leave ana " + group)
		}
		s.close()
		listener.Close()
		for conn := range accepted {
			conn.Close()
		}
		ana.wants("exit mallory network")
	})
}

// TestThousandRestarts is a neighbour that starts anew a thousand times: what is
// left is one peer, and nothing of those before it.
func TestThousandRestarts(t *testing.T) {
	var far sync.WaitGroup
	t.Cleanup(far.Wait) // when ana has stopped
	ana, ben := friends(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ana.must(err)
	defer listener.Close()
	config := link.Config{Type: zmtp.Router}
	serve := func(conn net.Conn, c link.Config, first []byte) {
		k, err := link.Open(context.Background(), conn, c)
		if err != nil {
			return
		}
		if len(first) > 0 {
			(&stranger{Link: k}).say(first)
		}
		_ = k.Serve(func(b *link.Batch) error { b.Release(); return nil })
	}
	far.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			far.Go(func() { serve(conn, config, nil) })
		}
	})
	files, octets := descriptors(t), heap()
	dealer := link.Config{Type: zmtp.Dealer, Identity: routingID(mallory)}
	for life := range 1000 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(ana.Endpoint(), "tcp://"))
		ana.must(err)
		hello := &zremsg.Hello{Sequence: 1, Endpoint: fmt.Sprint("tcp://", listener.Addr()), Name: "mallory",
			Headers: []wire.Pair{{Key: "X-ONCE-INCARNATION", Value: strconv.Itoa(life + 1)}}}
		far.Go(func() { serve(conn, dealer, frame(hello)) })
		if life > 0 {
			ana.wants("exit mallory replaced")
		}
		ana.wants("enter mallory")
	}
	if names := ana.Peers(); len(names) != 2 || !slices.ContainsFunc(names, func(p *Peer) bool { return p.Incarnation() == 1000 }) {
		t.Errorf("known after all: %v", names)
	}
	until(t, "only the last life has connections", func() bool { return descriptors(t) <= files+4 })
	if took := heap() - octets; took > 4<<20 {
		t.Errorf("%d octets are left of them", took)
	}
	ben.talk(ana)
}
