package guard

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
)

// at returns the address of a connection.
func at(host string) net.Addr {
	addr, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(host, "5670"))
	if err != nil {
		panic(err)
	}
	return addr
}

// hosts returns the addresses of so many hosts, of which each is counted by itself.
func hosts(count int) (list []string) {
	for i := range count {
		list = append(list, fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255))
	}
	return list
}

// What an address may have, and owe at once, unless the settings say otherwise.
const (
	maxOfAddress  = api.DefaultNodeMaxPerAddress
	failuresBurst = maxOfAddress / 8
	maxOfMany     = api.DefaultNodeMaxStrangers * 3 / 4
)

// What becomes of a connection that was let in.
const (
	fails = iota
	succeeds
	stays
	shy // goes before the arithmetic of keys
)

func TestThrottle(t *testing.T) {
	type attempts struct {
		after time.Duration // of those before
		from  []string      // each in turn
		times int           // for each
		fate  int
		let   int // in, of all
	}
	one, other := []string{"10.0.0.1"}, []string{"10.0.0.2"}
	many := hosts(failuresTotal / failuresBurst)
	for name, script := range map[string][]attempts{
		"a burst of failures": {{0, one, 100, fails, failuresBurst}, {0, one, 10, succeeds, 0}, {0, other, 10, succeeds, 10}},
		"which time makes good": {
			{0, one, 100, fails, failuresBurst},
			{time.Second / FailuresRate, one, 100, fails, 1},
			{time.Second, one, 100, fails, FailuresRate},
			{time.Hour, one, 100, fails, failuresBurst},
		},
		"what does not fail costs nothing": {{0, one, 10_000, succeeds, 10_000}},
		"failures in between do": {
			{0, one, failuresBurst - 1, fails, failuresBurst - 1}, {0, one, 1000, succeeds, 1000}, {0, one, 10, fails, 1},
		},
		"who goes in time costs nothing": {{0, one, 10_000, shy, 10_000}, {0, one, 1, fails, 1}},
		"one has half of what may stand": {{0, one, 1000, stays, maxOfAddress}, {0, other, 10, succeeds, 10}},
		"many leave a quarter for the next": {
			{0, hosts(10), 1000, stays, maxOfMany + 8}, {0, hosts(100), 10, stays, 90}, {0, []string{"10.9.9.9"}, 10, stays, 1},
		},
		"many that fail are held tighter": {
			{0, many, 100, fails, failuresTotal}, {0, other, 100, fails, 0}, {0, []string{"10.9.9.9"}, 100, fails, failuresTight},
			{0, []string{"10.9.9.8"}, 100, succeeds, 100},
			{time.Second, []string{"10.9.9.7"}, 100, fails, failuresBurst},
		},
		"a network of IPv6 is one": {
			{0, []string{"2001:db8::1", "2001:db8::2:2:2:2"}, 50, fails, failuresBurst}, {0, []string{"2001:db8:0:1::1"}, 1, succeeds, 1},
		},
		"link-local, one by one": {{0, []string{"fe80::1%lo", "fe80::2"}, 50, fails, 100}},
		"IPv4 in IPv6 is IPv4": {
			{0, []string{"::ffff:10.0.0.1", "10.0.0.1"}, 50, fails, failuresBurst}, {0, []string{"::ffff:10.0.0.2"}, 1, succeeds, 1},
		},
		"too many addresses share what one may": {
			{0, hosts(maxAddresses + 100), 1, fails, maxAddresses + failuresTight},
			{0, one, 1, succeeds, 1}, {0, []string{"10.9.9.9"}, 1, succeeds, 0}, {time.Minute, []string{"10.9.9.9"}, 1, succeeds, 1},
		},
	} {
		th, now := newThrottle(0, 0), time.Now()
		for i, a := range script {
			now = now.Add(a.after)
			let := 0
			for _, host := range a.from {
				for range a.times {
					v, ok := th.Admit(at(host), now)
					if !ok {
						continue
					}
					let++
					if a.fate == fails || a.fate == succeeds {
						if err := v.Afford(now); err != nil {
							t.Errorf("%s, part %d: %v", name, i, err)
						}
					}
					if a.fate == succeeds {
						v.Refund()
					}
					if a.fate != stays {
						v.End()
					}
				}
			}
			if let != a.let {
				t.Errorf("%s, part %d: %d were let in, want %d", name, i, let, a.let)
			}
		}
	}
}

// TestThrottleBooks lets connections come, fail and end at random, also when the clock
// goes back: the books stay right, and small.
func TestThrottleBooks(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	th, now := newThrottle(0, 0), time.Now()
	from := hosts(2 * maxAddresses)
	var visits []Visit
	for i := range 100_000 {
		now = now.Add(time.Duration(random.IntN(20)-2) * time.Millisecond)
		switch n := len(visits); {
		case n > 0 && random.IntN(2) == 0:
			at := random.IntN(n)
			if random.IntN(3) > 0 {
				_ = visits[at].Afford(now)
			}
			if random.IntN(3) == 0 {
				visits[at].Refund()
			}
			visits[at].End()
			visits[at], visits = visits[n-1], visits[:n-1]
		default:
			if v, ok := th.Admit(at(from[random.IntN(1+i%len(from))]), now); ok {
				visits = append(visits, v)
			}
		}
		if i%1000 > 0 && len(visits) > 0 {
			continue
		}
		standing := 0
		for from, a := range th.addresses {
			if standing += a.standing; a.standing < 0 || a.used < 0 || a.used >= failuresBurst+1 {
				t.Fatalf("%v has %d standing and %v failures", from, a.standing, a.used)
			}
		}
		if standing != len(visits) || standing != th.total.standing || th.total.used < 0 || th.total.used > failuresTotal+totalRate || len(th.addresses) > maxAddresses+1 {
			t.Fatalf("%d stand of %d, in all %d with %v failures, of %d addresses", standing, len(visits), th.total.standing, th.total.used, len(th.addresses))
		}
	}
}

// TestVolley lets many connections of an address cause arithmetic at the same time, all
// in vain: few may, and when they are gone the address waits for one to be forgiven.
func TestVolley(t *testing.T) {
	th, now := newThrottle(0, 0), time.Now()
	visits := make([]Visit, 500)
	for i := range visits {
		visits[i], _ = th.Admit(at("10.0.0.1"), now)
	}
	afforded := 0
	for i := range visits {
		if visits[i].Afford(now) == nil {
			afforded++
		}
	}
	for i := range visits {
		visits[i].End()
	}
	if afforded != failuresBurst {
		t.Errorf("%d cause arithmetic", afforded)
	}
	if _, ok := th.Admit(at("10.0.0.1"), now); ok {
		t.Error("the address owes nothing")
	}
	if _, ok := th.Admit(at("10.0.0.1"), now.Add(time.Second/FailuresRate+1)); !ok {
		t.Error("the address is locked out")
	}
}

// TestThousandBehindOne lets a thousand connections of one address stand at a time if the
// settings say so, and an eighth as many cause arithmetic together.
func TestThousandBehindOne(t *testing.T) {
	th, now := newThrottle(2048, 1024), time.Now()
	let, owing := 0, 0
	for range 1100 {
		v, ok := th.Admit(at("10.0.0.1"), now)
		if !ok {
			continue
		}
		if let++; v.Afford(now) == nil {
			v.Refund()
		}
	}
	for range 200 {
		if v, ok := th.Admit(at("10.0.0.2"), now); ok && v.Afford(now) == nil {
			owing++
		}
	}
	if let != 1024 || owing != 128 || th.Strangers() != 2048 {
		t.Errorf("%d are let in, and %d owe at a time, of %d in all", let, owing, th.Strangers())
	}
}
