package beacon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// inNamespace runs the test that calls it, and uses some tools, in a network
// namespace of its own, in another process, and tells whether this is that process.
func inNamespace(t *testing.T, tools ...string) bool {
	t.Helper()
	const child = "BEACON_NETNS_CHILD"
	if os.Getenv(child) != "" {
		return true
	}
	if os.Getuid() != 0 {
		t.Skip("needs root, to make a network namespace")
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s(8): %v", tool, err)
		}
	}
	test := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.timeout=60s", "-test.v")
	test.Env = append(os.Environ(), child+"=1")
	test.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := test.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		t.Skipf("cannot make a network namespace here: %v", err)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	return false
}

// follow runs Follow for nodes and returns what changed so far.
func follow(t *testing.T, names []string, nodes ...*udpNode) (seen func() []string) {
	t.Helper()
	was, err := Select(names)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var all []string
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		Follow(ctx, names, was, leastLook, func(is []Interface, what []string) {
			for _, n := range nodes {
				n.Use(is)
				n.Renew()
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, what...)
		})
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

// TestUDPInterfaceComesBack takes an interface down and up, away and back, and
// changes its address, under two nodes:
//
//	lo (down)    net0 10.9.8.1/24 ── far0 (no address)
//
// The host hears what it broadcasts itself. net0 has another index when it is
// back.
func TestUDPInterfaceComesBack(t *testing.T) {
	if !inNamespace(t, "ip") {
		return
	}
	ip(t, "link add net0 type veth peer far0", "link set net0 addrgenmode none", "link set far0 addrgenmode none", "addr add 10.9.8.1/24 dev net0", "link set net0 up", "link set far0 up")
	net := interfacesNamed(t, "net0")
	if all, err := Select(nil); err != nil || len(all) != 1 || all[0] != net[0] {
		t.Fatalf("interfaces: %v, %v", all, err)
	}
	a, b := runUDP(t, 1, 5670, net...), runUDP(t, 2, 5670, net...)
	b.sees(t, at(1, "10.9.8.1"))
	changed := follow(t, nil, a, b)

	for _, step := range []struct {
		commands []string
		what     string // changes, from the last step on
		seenAt   string // where b sees a then, nowhere if empty
	}{
		{[]string{"link set net0 down"}, "interface net0 down or without an address", ""},
		{[]string{"link set net0 up"}, "interface net0 up: 10.9.8.1", "10.9.8.1"},
		{[]string{"link del net0"}, "interface net0 down or without an address", ""},
		{[]string{"link add net1 type veth peer far1", "link add net0 type veth peer far0", "link set net0 addrgenmode none", "link set far0 addrgenmode none",
			"addr add 10.9.8.1/24 dev net0", "link set net0 up", "link set far0 up"}, "interface net0 up: 10.9.8.1", "10.9.8.1"},
		{[]string{"addr add 10.9.7.2/24 dev net0", "addr del 10.9.8.1/24 dev net0"}, "10.9.7.2", "10.9.7.2"},
	} {
		before := len(changed())
		ip(t, step.commands...)
		waitFor(t, step.what, func() bool {
			what := changed()[before:]
			return len(what) > 0 && strings.HasSuffix(what[len(what)-1], step.what)
		})
		start := time.Now()
		b.drain()
		if step.seenAt != "" {
			b.sees(t, at(1, step.seenAt))
			t.Logf("%s: seen after %v", step.commands, time.Since(start))
		}
	}
}

// TestUDPIPv6Only lets nodes meet that have link-local addresses only:
//
//	lo (down)    net0 fe80::…/64 ── far0
func TestUDPIPv6Only(t *testing.T) {
	if !inNamespace(t, "ip") {
		return
	}
	meetByIPv6(t)
}

func meetByIPv6(t *testing.T) (a, b *udpNode, seenAt string) {
	t.Helper()
	ip(t, "link add net0 type veth peer far0", "link set net0 up", "link set far0 addrgenmode none", "link set far0 up")
	net := interfacesNamed(t, "net0")
	a, b, seenAt = runUDP(t, 1, 5670, net...), runUDP(t, 2, 5670, net...), "["+net[0].Local().String()+"]"
	b.sees(t, at(1, seenAt))
	a.sees(t, at(2, seenAt))
	return a, b, seenAt
}

// TestUDPFirewall lets the same nodes not hear what a firewall drops, nor send what
// it does not let out.
func TestUDPFirewall(t *testing.T) {
	if !inNamespace(t, "ip", "nft") {
		return
	}
	a, b, seenAt := meetByIPv6(t)
	for text, rules := range map[string]string{
		"cannot hear own beacons: a firewall may drop UDP port 5670": "add chain inet t in { type filter hook input priority 0 ; } ; add rule inet t in udp dport 5670 drop",
		"cannot send beacons: operation not permitted":               "add chain inet t out { type filter hook output priority 0 ; } ; add rule inet t out udp dport 5670 drop",
	} {
		nft(t, "add table inet t ; "+rules)
		a.awaits(t, text)
		nft(t, "delete table inet t")
		what, _, _ := strings.Cut(strings.TrimPrefix(text, "cannot "), ":")
		a.awaits(t, "can "+what+" again")
	}
	b.drain()
	b.sees(t, at(1, seenAt))
}

// TestManyInterfaces looks at a thousand. That costs little more than to have the
// system list them: their addresses are not listed for each anew.
func TestManyInterfaces(t *testing.T) {
	if !inNamespace(t, "ip") {
		return
	}
	const many = 1000
	var script strings.Builder
	for n := range many / 2 {
		fmt.Fprintf(&script, "link add a%[1]d type veth peer name b%[1]d\n", n)
		for device, bits := range map[string]int{"a": 24, "b": 32} {
			fmt.Fprintf(&script, "link set %s%d addrgenmode none\nlink set %[1]s%[2]d up\n", device, n)
			fmt.Fprintf(&script, "addr add 10.%d.%d.%d/%d dev %s%d\n", n/250, n%250, bits, bits, device, n)
		}
	}
	batch := exec.Command("ip", "-batch", "-")
	batch.Stdin = strings.NewReader(script.String())
	if out, err := batch.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	waitFor(t, "all to be up", func() bool {
		all, err := Interfaces()
		return err == nil && len(all) == many
	})
	list := cost(t, func() error { _, err := net.Interfaces(); return err })
	look := cost(t, func() error { _, err := Select(nil); return err })
	t.Logf("the system lists %d interfaces in %v of CPU; a look costs %v", many, list, look)
	if look > 5*list {
		t.Errorf("a look costs %.1f times as much as to list the interfaces", float64(look)/float64(list))
	}
}

// cost returns the CPU time that it takes to do something once, the least of some.
func cost(t *testing.T, do func() error) time.Duration {
	t.Helper()
	least := time.Hour
	for range 5 {
		began := cpu(t)
		if err := do(); err != nil {
			t.Fatal(err)
		}
		least = min(least, cpu(t)-began)
	}
	return least
}

// cpu returns the CPU time of this process so far.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// interfacesNamed waits until an interface is up and has an address, which takes
// the system a moment.
func interfacesNamed(t *testing.T, name string) (found []Interface) {
	t.Helper()
	waitFor(t, name, func() bool {
		all, err := Select([]string{name})
		found = all
		return err == nil
	})
	return found
}

// ip runs ip(8) with each of the commands.
func ip(t *testing.T, commands ...string) {
	t.Helper()
	for _, command := range commands {
		if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", command, err, out)
		}
	}
}

func nft(t *testing.T, rules string) {
	t.Helper()
	if out, err := exec.Command("nft", rules).CombinedOutput(); err != nil {
		t.Fatalf("nft %s: %v: %s", rules, err, out)
	}
}
