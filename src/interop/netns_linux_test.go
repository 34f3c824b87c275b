package interop

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sjohnr/at-once/src/beacon"
)

// inNamespace runs the test that calls it in network and mount namespaces of its
// own, in another process, and tells whether this is that process.
func inNamespace(t *testing.T) bool {
	t.Helper()
	const child = "INTEROP_NETNS_CHILD"
	if os.Getenv(child) != "" {
		must(t, syscall.Mount("none", "/run", "tmpfs", 0, "")) // where ip(8) keeps its namespaces
		return true
	}
	if _, err := exec.LookPath("ip"); err != nil || os.Getuid() != 0 {
		t.Skip("needs root, to make network namespaces, and ip(8)")
	}
	test := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.timeout=90s", "-test.v")
	test.Env = append(os.Environ(), child+"=1")
	test.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	out, err := test.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		t.Skipf("cannot make a network namespace here: %v", err)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
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

// TestZyreLosesPower takes a Zyre's host away, without a word to anybody, and puts
// another in its place that has the same addresses and knows nothing:
//
//	we: br0 10.9.8.1/24 ── h2, h3, h4: eth0 10.9.8.N/24
//
// The bridge has a port that stays, so that ours is not told of anything.
func TestZyreLosesPower(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	ip(t, "link set lo up", "link add br0 type bridge", "addr add 10.9.8.1/24 dev br0",
		"link add stays type veth peer name far", "link set far up", "link set stays master br0 up", "link set br0 up")
	for deadline := time.Now().Add(patience); ; { // it takes the system a moment
		if _, err := beacon.Select([]string{"br0"}); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
		runtime.Gosched()
	}
	for i, pause := range []time.Duration{0, 2 * time.Second, 8 * time.Second} {
		t.Run(pause.String(), func(t *testing.T) {
			t.Parallel()
			host := fmt.Sprintf("h%d", 2+i)
			c := zyreConfig{Name: "zyre", Device: "eth0", Port: uint16(5670 + i), Address: netip.MustParsePrefix(fmt.Sprintf("10.9.8.%d/24", 2+i))}
			ours := c
			ours.Device = "br0"
			start := func() *plainNode {
				ip(t, "netns add "+host,
					fmt.Sprintf("link add %s type veth peer name eth0 netns %s address 02:00:00:00:00:%02x", host, host, 2+i),
					"link set "+host+" master br0 up",
					"-n "+host+" link set lo up", fmt.Sprintf("-n %s addr add %v dev eth0", host, c.Address), "-n "+host+" link set eth0 up")
				return startZyre(t, c, "ip", "netns", "exec", host)
			}
			lose := func(z *plainNode) {
				ip(t, "link del "+host)
				z.kill()
				ip(t, "netns del "+host)
			}
			newReunion(t, "10.9.8.1", ours).run(start, lose, pause)
		})
	}
}
