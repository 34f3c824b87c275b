package node

import (
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/zmtp"
)

// curveHello is what a client of CURVE says to a node up to its HELLO: whoever has it
// can say it, and make the node multiply twice.
func curveHello(t *testing.T, to *actor) []byte {
	t.Helper()
	c, err := to.guard.CurveTo(to.UUID(), to.guard.PublicKey(), nil)
	if err != nil {
		t.Fatal(err)
	}
	h := zmtp.NewCurveHandshake(zmtp.Metadata{Type: zmtp.Dealer}, *c, nil)
	said := h.Outgoing()
	for greeting := zmtp.AppendGreeting(nil, "CURVE"); len(greeting) > 0; {
		n := h.Next()
		h.Receive(greeting[:n:n])
		greeting = greeting[n:]
	}
	return append(said, h.Outgoing()...)
}

// TestBarrage makes ten thousand connections a second to a secure node, if the machine
// can, from half a dozen addresses. Each brings a HELLO; then it is silent, or says
// nonsense. A good peer comes in all the same, and is heard.
func TestBarrage(t *testing.T) {
	const (
		lasts      = 2 * time.Second
		addresses  = 6 // half of them of those who are silent
		each       = 4 // attackers
		patient    = 3 * time.Second
		mostOctets = 16 << 20
	)
	secure := with(api.NodeSecuritySecure)
	ana := live(t, "ana", secure)
	goroutines, files, octets := runtime.NumGoroutine(), descriptors(t), heap()
	endpoint := parsed(ana.Endpoint()).Bare()
	var openings [64][]byte
	for i := range openings {
		openings[i] = curveHello(t, ana)
	}
	var made, faults atomic.Int64
	var attackers sync.WaitGroup
	held := make(chan net.Conn, api.DefaultNodeMaxStrangers*addresses)
	start := time.Now()
	attack := func(from net.IP, silent bool) {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}
		for i := 0; time.Since(start) < lasts; i++ {
			conn, err := dialer.Dial("tcp", strings.TrimPrefix(endpoint, "tcp://"))
			if err != nil {
				faults.Add(1)
				continue
			}
			made.Add(1)
			_ = conn.(*net.TCPConn).SetLinger(0)
			_, _ = conn.Write(openings[i%len(openings)]) // the node may have closed it
			if silent && i < api.DefaultNodeMaxStrangers/each {
				held <- conn
				continue
			}
			_, _ = conn.Write([]byte("\x04\x09\x08INITIATE"))
			conn.Close()
		}
	}
	for a := range addresses {
		for range each {
			attackers.Go(func() { attack(net.IPv4(127, 0, 0, byte(2+a)), a%2 == 0) })
		}
	}
	until(t, "the barrage is under way", func() bool { return made.Load() > 500 })
	ben := live(t, "ben", secure)
	begun := time.Now()
	ana.must(ben.RequirePeer(ana.UUID(), ana.Endpoint()))
	ana.wants("enter ben")
	ben.wants("enter ana")
	ben.talk(ana)
	ana.talk(ben)
	took := time.Since(begun)
	attackers.Wait()
	lasted := time.Since(start)
	var counts map[string]uint64
	var turnedAway, heard uint64
	until(t, "all were dealt with", func() bool {
		standing := uint64(ana.guard.Throttle.Standing())
		counts = ana.Counts()
		turnedAway = counts["connections over the limit of their address"] + counts["connections over the limit"]
		heard = counts["handshakes that failed"] + standing
		return heard+turnedAway >= uint64(made.Load())
	})
	t.Logf("%d connections in %v, of which %d were heard; the peer took %v; %v", made.Load(), lasted, heard, took, counts)
	if took > patient {
		t.Errorf("the good peer took %v", took)
	}
	mayFail := int(addresses * (guard.BurstOf(api.DefaultNodeMaxPerAddress) + guard.FailuresRate*lasted.Seconds() + each))
	if got := counts["keys computed in vain"]; got > uint64(mayFail) || got == 0 {
		t.Errorf("keys were computed in vain %d times, of at most %d", got, mayFail)
	}
	if enough := made.Load() > int64(10*mayFail); enough && turnedAway == 0 || faults.Load() > 0 {
		t.Errorf("%d were turned away, and %d never made", turnedAway, faults.Load())
	}
	if took := heap() - octets; took > mostOctets {
		t.Errorf("it takes %d octets", took)
	}
	close(held)
	for conn := range held {
		conn.Close()
	}
	ben.Stop()
	until(t, "no descriptor and no goroutine is left", func() bool {
		return descriptors(t) <= files && runtime.NumGoroutine() <= goroutines
	})
}
