package mapping

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/huin/goupnp"
	"go.uber.org/goleak"

	"github.com/sjohnr/at-once/lab/nat/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const port = 4711

// alive is a gateway of which it is known what really is mapped.
func alive() (*gateway.Gateway, func(outer uint16) bool) {
	var mu sync.Mutex
	open := map[uint16]bool{}
	g := &gateway.Gateway{
		Open: func(outer uint16, inner netip.AddrPort) error {
			mu.Lock()
			defer mu.Unlock()
			open[outer] = inner.Port() == port
			return nil
		},
		Shut: func(outer uint16) error { mu.Lock(); defer mu.Unlock(); delete(open, outer); return nil },
	}
	return g, func(outer uint16) bool { mu.Lock(); defer mu.Unlock(); return open[outer] }
}

// byDatagram returns how a gateway is asked by PCP and NAT-PMP.
func byDatagram(t *testing.T, g *gateway.Gateway) Gateway {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() { defer close(over); g.ServeDatagrams(conn) }()
	t.Cleanup(func() { _ = conn.Close(); <-over })
	return newPCP(conn.LocalAddr().String())
}

// byUPnP returns how a gateway is asked by UPnP.
func byUPnP(t *testing.T, g *gateway.Gateway) Gateway {
	transport := &http.Transport{DisableKeepAlives: true}
	devices.Transport = nearby{transport, func(ip netip.Addr) bool { return ip.IsLoopback() }}
	t.Cleanup(func() { devices.Transport = nearby{transport, private} })
	s := httptest.NewServer(g)
	t.Cleanup(s.Close)
	at, err := url.Parse(s.URL + "/root.xml")
	if err != nil {
		t.Fatal(err)
	}
	root, err := goupnp.DeviceByURLCtx(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	list := services(root, at)
	if len(list) != 1 {
		t.Fatalf("%d services", len(list))
	}
	return list[0]
}

// ways are the protocols.
var ways = map[string]func(*testing.T, *gateway.Gateway) Gateway{
	"pcp":     byDatagram,
	"nat-pmp": func(t *testing.T, g *gateway.Gateway) Gateway { g.Old = true; return byDatagram(t, g) },
	"upnp":    byUPnP,
}

// TestGateways: a port is mapped, renewed as the same, deleted, and another port is taken
// where that one is somebody's.
func TestGateways(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			g, open := alive()
			to := way(t, g)
			for range 2 {
				if outer, err := to.Map(t.Context(), port, port); err != nil || outer != port || !open(port) {
					t.Fatalf("mapped as %d, %v", outer, err)
				}
			}
			if err := to.Unmap(t.Context(), port, port); err != nil || open(port) || len(g.Listed()) != 0 {
				t.Errorf("after it is deleted %v, %v", g.Listed(), err)
			}
			g.Take(port, port+1)
			outer, err := to.Map(t.Context(), port, port)
			if err != nil || outer == port || outer == port+1 || !open(outer) {
				t.Errorf("with the port taken %d, %v", outer, err)
			}
			if text := to.String(); !strings.Contains(text, "127.0.0.1") {
				t.Error(text)
			}
		})
	}
}

// TestDeafGateway: who does not answer, or answers something else, is given up.
func TestDeafGateway(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		b := make([]byte, 100)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			b[20] ^= 1
			for _, junk := range [][]byte{nil, {2}, b[:n], {2, 0x81, 0, 0}, make([]byte, 100)[:3]} {
				_, _ = conn.WriteTo(junk, from)
			}
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if outer, err := newPCP(conn.LocalAddr().String()).Map(ctx, port, port); err == nil {
		t.Errorf("mapped as %d", outer)
	}
	_ = conn.Close()
	<-over
}

// TestFarGateway: who says that a gateway is elsewhere has nobody asked there.
func TestFarGateway(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	for _, at := range []string{s.URL, "http://localhost/", "http://203.0.113.7/", "http://[2001:db8::1]/"} {
		if r, err := devices.Get(at); !errors.Is(err, errFar) {
			t.Errorf("%s: %v, %v", at, r, err)
		}
	}
}

// fake is a gateway in virtual time.
type fake struct {
	*gateway.Gateway
	wanted []uint16
	err    error
}

func (f *fake) Map(_ context.Context, port, wanted uint16) (uint16, error) {
	f.wanted = append(f.wanted, wanted)
	inner := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 168, 1, 2}), port)
	if f.err != nil {
		return 0, f.err
	}
	return f.Place(wanted, inner)
}

func (f *fake) Unmap(_ context.Context, port, outer uint16) error { return f.Drop(outer) }
func (f *fake) String() string                                    { return "fake" }

// kept runs a keeper in virtual time.
func kept(t *testing.T, test func(k *Keeper, g *fake, open func(uint16) bool, at func() string)) {
	synctest.Test(t, func(t *testing.T) {
		lies, open := alive()
		g := &fake{Gateway: lies}
		var mu sync.Mutex
		now := "not said"
		k := New(Keeper{
			Port: port, Log: slog.New(slog.DiscardHandler),
			Find: func(context.Context) []Gateway {
				return []Gateway{&fake{Gateway: new(gateway.Gateway), err: ErrNone}, g}
			},
			Check: func(_ context.Context, outer uint16) (string, error) {
				if !open(outer) {
					return "", errors.New("nobody is there")
				}
				return netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, 7}), outer).String(), nil
			},
			Put: func(at string) { mu.Lock(); defer mu.Unlock(); now = at },
		})
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan struct{})
		go func() { defer close(over); k.Run(ctx) }()
		synctest.Wait()
		test(k, g, open, func() string { synctest.Wait(); mu.Lock(); defer mu.Unlock(); return now })
		cancel()
		<-over
		if len(g.Listed()) != 0 {
			t.Errorf("at last there are %v", g.Listed())
		}
	})
}

const reached = "tcp://203.0.113.7:4711"

// TestKeeper: a mapping is renewed after half of its life, and deleted at last.
func TestKeeper(t *testing.T) {
	kept(t, func(_ *Keeper, g *fake, _ func(uint16) bool, at func() string) {
		if at() != reached || g.Asked() != 1 {
			t.Errorf("reached at %q, asked %d times", at(), g.Asked())
		}
		time.Sleep(Life/2 + time.Second)
		if at() != reached || g.Asked() != 2 {
			t.Errorf("after half of its life %q, asked %d times", at(), g.Asked())
		}
	})
}

// TestWiped: a gateway that forgets its mappings is found out by the next renewal, and one
// that is told of a change at once.
func TestWiped(t *testing.T) {
	kept(t, func(k *Keeper, g *fake, open func(uint16) bool, at func() string) {
		if err := g.Wipe(); err != nil {
			t.Fatal(err)
		}
		k.Moved()
		if at() != reached || !open(port) {
			t.Errorf("after a restart of the gateway %q", at())
		}
	})
}

// TestDead: a mapping that is listed and dead is deleted and made anew; one that stays dead
// is none, and not left behind.
func TestDead(t *testing.T) {
	kept(t, func(k *Keeper, g *fake, open func(uint16) bool, at func() string) {
		_ = g.Wipe()
		g.Kill(1)
		k.Moved()
		if at() != reached || !open(port) {
			t.Errorf("after a dead one %q", at())
		}
		_ = g.Wipe()
		g.Kill(100)
		k.Moved()
		if at() != "" || len(g.Listed()) != 0 {
			t.Errorf("while all are dead %q, %v", at(), g.Listed())
		}
		g.Kill(0)
		time.Sleep(Life/2 + time.Second)
		if at() != reached {
			t.Errorf("later %q", at())
		}
	})
}

// TestAnotherPort: a gateway that maps another port than was asked for is taken at its word,
// and asked for that port from then on.
func TestAnotherPort(t *testing.T) {
	kept(t, func(k *Keeper, g *fake, open func(uint16) bool, at func() string) {
		_ = g.Wipe()
		g.Take(port)
		k.Moved()
		if at() != "tcp://203.0.113.7:4712" || !open(port+1) {
			t.Errorf("reached at %q", at())
		}
		k.Moved()
		if synctest.Wait(); g.wanted[len(g.wanted)-1] != port+1 {
			t.Errorf("asked for %v", g.wanted)
		}
	})
}

func TestRouted(t *testing.T) {
	for line, want := range map[string]string{
		"eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0": "192.168.1.1",
		"eth0\t0001A8C0\t00000000\t0001":                             "", "Iface\tDestination\tGateway": "", "": "", "eth0\t00000000\tzz": "", "eth0\t00000000\t00000000": "",
	} {
		if ip, ok := routed(line); ok != (want != "") || ok && ip.String() != want {
			t.Errorf("%q: %v, %v", line, ip, ok)
		}
	}
}

// FuzzAnswers: nothing that a gateway says does harm.
func FuzzAnswers(f *testing.F) {
	g := newPCP("127.0.0.1:1")
	f.Add(g.request(netip.AddrFrom4([4]byte{10}), port, port, Life))
	f.Add([]byte{0, 130, 0, 0, 0, 0, 0, 0, 0x12, 0x67, 0x12, 0x67, 0, 0, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if outer, err := pmpAnswered(b, port, Life); err == nil && outer == 0 {
			t.Error("port 0")
		}
		_, _ = g.answer(port)(b)
	})
}
