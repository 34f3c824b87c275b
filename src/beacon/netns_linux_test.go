package beacon

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestUDPInterfaceComesBack takes an interface down and up, and away and back,
// under two nodes. It runs itself in a network namespace of its own:
//
//	lo (down)    net0 10.9.8.1/24 ── far0 (no address)
//
// The host hears what it broadcasts itself. net0 has another index when it is
// back.
func TestUDPInterfaceComesBack(t *testing.T) {
	const child = "BEACON_NETNS_CHILD"
	if os.Getenv(child) == "" {
		if _, err := exec.LookPath("ip"); err != nil || os.Getuid() != 0 {
			t.Skip("needs root, to make a network namespace, and ip(8)")
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
		return
	}
	ip(t, "link add net0 type veth peer far0", "addr add 10.9.8.1/24 dev net0", "link set net0 up", "link set far0 up")
	net, err := Select(nil)
	if err != nil || len(net) != 1 || net[0].Name != "net0" {
		t.Fatalf("interfaces: %v, %v", net, err)
	}
	a, b := runUDP(t, 1, 5670, net...), runUDP(t, 2, 5670, net...)
	b.sees(t, at(1, "10.9.8.1"))

	ip(t, "link set net0 down")
	a.fails(t)
	ip(t, "link set net0 up")
	a.recovers(t, b)

	ip(t, "link del net0")
	a.fails(t)
	ip(t, "link add net1 type veth peer far1", "link add net0 type veth peer far0", "addr add 10.9.8.1/24 dev net0", "link set net0 up", "link set far0 up")
	a.recovers(t, b)
}

// fails waits until the log's last word is that beacons cannot be sent.
func (n *udpNode) fails(t *testing.T) {
	t.Helper()
	waitFor(t, "a failure to send", func() bool { return n.log.last("cannot send") > n.log.last("can send") })
}

// recovers waits until the log's last word is that they can, and other sees it.
func (n *udpNode) recovers(t *testing.T, other *udpNode) {
	t.Helper()
	waitFor(t, "recovery", func() bool { return n.log.last("can send") > n.log.last("cannot send") })
	other.drain()
	other.sees(t, at(1, "10.9.8.1"))
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
