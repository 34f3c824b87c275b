package relay

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/sjohnr/at-once/src/link"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	ana = End{uuid.MustParse("34750f98-bd59-8cfc-946d-a45aaabe933b"), netip.MustParsePrefix("192.0.2.1/32")}
	ben = End{uuid.MustParse("3f2504e0-4f89-41d3-9a0c-0305e82c3301"), netip.MustParsePrefix("192.0.2.2/32")}
)

// TestTicketIsAsTheModelHasIt holds the hand to the layout's example and number.
func TestTicketIsAsTheModelHasIt(t *testing.T) {
	var layout struct {
		Numbers map[string]int
		Records []struct{ Octets string }
	}
	text, err := os.ReadFile("../../../generated/vectors/once_ticket.json")
	if err == nil {
		err = json.Unmarshal(text, &layout)
	}
	if err != nil || len(layout.Records) != 1 || layout.Numbers["life"] != int(ticketLife/time.Second) {
		t.Fatalf("%+v, %v", layout, err)
	}
	octets, err := hex.DecodeString(layout.Records[0].Octets)
	if err != nil || len(octets) != TicketSize || octets[0] != Mark {
		t.Fatalf("%x, %v", octets, err)
	}
	now := time.Unix(1700000030, 0)
	leg, circuit, err := parseTicket(octets, now)
	if err != nil || leg != 0 || uuid.UUID(circuit) != ben.ID {
		t.Errorf("leg %d of %x, %v", leg, circuit, err)
	}
	if _, _, err := parseTicket(octets, now.Add(time.Second)); !errors.Is(err, ErrTicket) {
		t.Errorf("a second later: %v", err)
	}
	if b := newTicket([]byte("key"), 0, circuit, now, ana.ID, ben.ID); !bytes.Equal(b[:tagAt], octets[:tagAt]) {
		t.Errorf("written as %x", b)
	}
}

// pair returns both ends of a connection over TCP.
func pair(t testing.TB) (near, far net.Conn) {
	t.Helper()
	l, err := link.TCP{}.Listen(t.Context(), "tcp://127.0.0.1:*")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if near, err = (link.TCP{}).Dial(t.Context(), "tcp://"+l.Addr().String()); err == nil {
		far, err = l.Accept()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

// lend returns both ends of a circuit over TCP.
func lend(t testing.TB, r *Relay) (first, second net.Conn) {
	t.Helper()
	one, two, err := r.Lend(ana, ben)
	if err != nil {
		t.Fatal(err)
	}
	first, far := pair(t)
	if err := r.Take(far, one); err != nil {
		t.Fatal(err)
	}
	second, far = pair(t)
	if err := r.Take(far, two); err != nil {
		t.Fatal(err)
	}
	return first, second
}

func TestCircuit(t *testing.T) {
	r := New(Limits{})
	defer r.Close()
	first, second := lend(t, r)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<17) // 2 MiB
	for _, way := range [][2]net.Conn{{first, second}, {second, first}} {
		go func() { _, _ = way[0].Write(sent) }()
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(way[1], got); err != nil || !bytes.Equal(got, sent) {
			t.Fatal(err)
		}
	}
	// One word passes at once, though it is less than what is counted together.
	if _, err := first.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(second, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	// The end of one direction is passed on, and the other goes on.
	if err := first.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if n, err := second.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Fatalf("%d, %v", n, err)
	}
	if _, err := second.Write([]byte("y")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(first, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	second.Close()
	if n, err := first.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Fatalf("%d, %v", n, err)
	}
	r.work.Wait()
	if f := r.Figures(); f.Circuits != 0 || f.Lent != 1 || f.Octets != uint64(2*len(sent)+2) {
		t.Errorf("%+v", f)
	}
}

// TestTickets: each is good for one connection, of its own end, at its own relay.
func TestTickets(t *testing.T) {
	r, other := New(Limits{}), New(Limits{})
	defer r.Close()
	defer other.Close()
	one, two, err := r.Lend(ana, ben)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(r *Relay, ticket []byte) {
		t.Helper()
		near, far := pair(t)
		if err := r.Take(far, ticket); !errors.Is(err, ErrTicket) {
			t.Errorf("%x is taken: %v", ticket, err)
		}
		if _, err := near.Read(make([]byte, 1)); err == nil {
			t.Error("the connection stays")
		}
	}
	refused(other, one)
	for i := range one {
		bad := bytes.Clone(one)
		bad[i] ^= 1
		refused(r, bad)
	}
	refused(r, one[:TicketSize-1])
	refused(r, newTicket(make([]byte, 32), 0, name(one[circuitAt:]), time.Now().Add(time.Hour), ana.ID, ben.ID))
	_, far := pair(t)
	if err := r.Take(far, one); err != nil {
		t.Fatal(err)
	}
	refused(r, one)
	_, far = pair(t)
	if err := r.Take(far, two); err != nil {
		t.Fatal(err)
	}
	refused(r, two)
}

func TestQuotas(t *testing.T) {
	r := New(Limits{Circuits: 4, PerID: 2, PerAddress: 3})
	defer r.Close()
	id := func(e End) End { e.ID[0]++; return e }
	for i, c := range []struct {
		asks End
		want error
	}{{ana, nil}, {ana, nil}, {ana, ErrQuota}, {id(ana), nil}, {id(ana), ErrQuota}, {ben, nil}, {ben, ErrQuota}} {
		if _, _, err := r.Lend(c.asks, ben); !errors.Is(err, c.want) {
			t.Errorf("%d: %v, want %v", i, err, c.want)
		}
	}
	r.Close()
	if f := r.Figures(); f.Circuits != 0 || len(r.ids)+len(r.from) != 0 {
		t.Errorf("%+v, %v, %v", f, r.ids, r.from)
	}
	if _, _, err := r.Lend(ana, ben); !errors.Is(err, ErrQuota) {
		t.Errorf("a relay that is closed: %v", err)
	}
}

// inMemory returns both ends of a connection in virtual time.
func inMemory(t *testing.T) (near, far net.Conn) {
	t.Helper()
	m := link.NewMemory(nil)
	l, err := m.Host("10.0.0.1").Listen(t.Context(), "tcp://*:7")
	if err == nil {
		near, err = m.Host("10.0.0.2").Dial(t.Context(), "tcp://10.0.0.1:7")
	}
	if err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	return near, far
}

func TestTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Limits{Idle: time.Minute, Rate: 1000})
		defer r.Close()
		began := time.Now()
		one, two, err := r.Lend(ana, ben)
		if err != nil {
			t.Fatal(err)
		}
		first, far := inMemory(t)
		if err := r.Take(far, one); err != nil {
			t.Fatal(err)
		}
		if _, err := first.Read(make([]byte, 1)); err == nil || time.Since(began) != 30*time.Second {
			t.Errorf("half a circuit ends after %v, %v", time.Since(began), err)
		}
		if err := r.Take(first, two); !errors.Is(err, ErrTicket) {
			t.Errorf("a ticket is good for longer: %v", err)
		}

		one, two, err = r.Lend(ana, ben)
		if err != nil {
			t.Fatal(err)
		}
		first, far = inMemory(t)
		second, far2 := inMemory(t)
		if err := errors.Join(r.Take(far, one), r.Take(far2, two)); err != nil {
			t.Fatal(err)
		}
		began = time.Now()
		go func() { _, _ = first.Write(make([]byte, 5000)) }()
		if _, err := io.ReadFull(second, make([]byte, 5000)); err != nil || time.Since(began) < 3*time.Second || time.Since(began) > 6*time.Second {
			t.Errorf("5000 octets at 1000 a second take %v, %v", time.Since(began), err)
		}
		for range 5 { // a word now and then keeps it
			time.Sleep(50 * time.Second)
			if _, err := second.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(first, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		began = time.Now()
		if _, err := first.Read(make([]byte, 1)); err == nil || time.Since(began) > 90*time.Second || time.Since(began) < time.Minute {
			t.Errorf("an idle circuit ends after %v, %v", time.Since(began), err)
		}
	})
}

// BenchmarkCircuit is 64 KiB a write.
func BenchmarkCircuit(b *testing.B) {
	r := New(Limits{})
	defer r.Close()
	first, second := lend(b, r)
	buffer := make([]byte, 64<<10)
	ctx, cancel := context.WithCancel(b.Context())
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, second)
	}()
	b.SetBytes(int64(len(buffer)))
	for b.Loop() {
		if _, err := first.Write(buffer); err != nil {
			b.Fatal(err)
		}
	}
	_ = first.Close()
	<-ctx.Done()
}
