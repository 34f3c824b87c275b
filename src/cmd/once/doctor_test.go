package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// diagnosis runs the doctor and returns what it found, by check.
func (n network) diagnosis(status int, flags ...string) map[string]finding {
	n.t.Helper()
	p := n.start(append([]string{"doctor", "--json", "--wait", "1s"}, flags...)...)
	p.exits(status)
	return n.findings(p.seen)
}

// findings reads what the doctor has found, by check; what is told of several is together.
func (n network) findings(lines []string) map[string]finding {
	n.t.Helper()
	found := map[string]finding{}
	for _, line := range lines {
		var f finding
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			n.t.Fatalf("%s: %v", line, err)
		}
		if f.Check == "" || f.Found == "" || (f.Status == fine) != (f.Advice == "") {
			n.t.Errorf("%s: a finding needs a check, what was found, and if it is not ok, advice", line)
		}
		if also, several := found[f.Check]; several && also.Status == f.Status {
			f.Found = also.Found + "\n" + f.Found
		}
		found[f.Check] = f
	}
	return found
}

func (n network) wants(found map[string]finding, check, status, text string) {
	n.t.Helper()
	if f := found[check]; f.Status != status || !strings.Contains(f.Found, text) {
		n.t.Errorf("%s: %+v, want %s, %q", check, f, status, text)
	}
}

func TestDoctorFindsAllWell(t *testing.T) {
	n := newNetwork(t)
	listener := n.start("listen", "--name", "listener")
	n.start("chat", "--group", "room", "--name", "ana")
	listener.sees(`\tenter\t\S+\tana`)
	found := n.diagnosis(0)
	n.wants(found, "tcp", fine, "tcp://127.0.0.1:")
	n.wants(found, "identity", fine, "made for this time only")
	n.wants(found, "security", fine, "auto: ")
	n.wants(found, "beacons", fine, fmt.Sprintf("UDP port %d", n.port))
	n.wants(found, "peers", fine, "2: ")
	n.wants(found, "peers", fine, "ana")
	n.wants(found, "names", fine, "")
	n.wants(found, "clock", fine, "")
}

func TestDoctorFindsOddities(t *testing.T) {
	n := newNetwork(t)
	listener := n.start("listen", "--name", "ana", "--group", "room")
	n.start("chat", "--group", "room", "--name", "ana")
	listener.sees(`\tenter\t`)
	conn, err := net.Dial("udp4", fmt.Sprintf("127.255.255.255:%d", n.port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	p := n.start("doctor", "--json", "--wait", "5s")
	secure := append([]byte("ZRE\x03"), bytes.Repeat([]byte{1}, 50)...)
	listener.sees(`\tenter\t`) // the doctor
	if _, err := conn.Write(secure); err != nil {
		t.Fatal(err)
	}
	p.sees(`"warn","check":"refused","found":"somebody \(01010101\) at tcp://127\S+: it speaks only over encrypted connections.*--security`)
	p.sees(`"status":"warn","check":"names","found":"several peers are named ana"`)
	p.exits(0)
}

func TestDoctorFindsWhatFails(t *testing.T) {
	n := newNetwork(t)
	found := n.diagnosis(1, "--interface", "nonesuch")
	n.wants(found, "tcp", fail, "no address")
	n.wants(found, "beacons", fail, "none could be sent")
	n.wants(found, "network", warn, `waiting for an interface: no usable network interface "nonesuch"`)
	taken, err := net.ListenPacket("udp4", fmt.Sprintf(":%d", n.port))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	found = n.diagnosis(1)
	n.wants(found, "node", fail, "ONCE_PORT: cannot hear beacons on UDP port")
	n.wants(found, "node", fail, "address already in use")
	p := n.start("doctor")
	p.sees(`^fail  node        .*address already in use$`)
	p.sees(`^ {18}a program holds the port`)
	p.exits(1)
	p.complains(`^once: something does not work`)

	bare := &common{port: 5670, given: func(string) bool { return false }}
	gossiping := &common{port: 5670, given: bare.given, config: once.Config{GossipConnect: []string{"tcp://192.0.2.1:1"}}}
	both := &common{port: 5670, given: func(string) bool { return true }, config: gossiping.config}
	unheard := map[string]uint64{"beacons sent": 4, "beacons heard": 3, "beacons from other networks": 2}
	for _, test := range []struct {
		with   *common
		counts map[string]uint64
		want   []string // status and what was found
	}{
		{bare, unheard, []string{fail + " sent, but not heard back", warn + " 2 beacons from addresses"}},
		{bare, nil, []string{fail + " none could be sent"}},
		{gossiping, nil, []string{fine + " none are sent: gossip"}},
		{both, nil, []string{fail + " none could be sent"}},
	} {
		findings := checkBeacons(test.with, test.counts)
		if len(findings) != len(test.want) {
			t.Fatalf("%+v, want %q", findings, test.want)
		}
		for i, want := range test.want {
			if f := findings[i]; !strings.HasPrefix(f.Status+" "+f.Found, want) {
				t.Errorf("%+v, want %s", f, want)
			}
		}
	}
	eth := interfaceRecord{Name: "eth0", Address: "192.0.2.1", Broadcast: "192.0.2.255"}
	tun, lo := interfaceRecord{Name: "tun0", Address: "10.8.0.2"}, interfaceRecord{Name: "lo", Loopback: true, Broadcast: "127.255.255.255"}
	typed := func(flag string) string { return "--" + flag }
	onEth := &common{typed: typed, config: once.Config{Interfaces: []string{"192.0.2.1"}}}
	onLo := &common{typed: typed, config: once.Config{Interfaces: []string{"lo"}}}
	for _, test := range []struct {
		with       *common
		interfaces []interfaceRecord
		want       string
	}{
		{bare, []interfaceRecord{lo, eth, tun}, fine + " eth0 (192.0.2.1), tun0 (10.8.0.2, without beacons)"},
		{gossiping, []interfaceRecord{lo, tun}, fine + " tun0 (10.8.0.2, without beacons)"},
		{onEth, []interfaceRecord{lo, eth, tun}, fine + " eth0 (192.0.2.1)"},
		{onEth, []interfaceRecord{lo, tun}, fail + " none is up and has an address of those that --interface names"},
		{onLo, []interfaceRecord{lo, eth, tun}, fine + " loopback only, as --interface says"},
		{bare, []interfaceRecord{lo, tun}, warn + " tun0 (10.8.0.2, without beacons)"},
		{bare, []interfaceRecord{lo}, warn + " loopback only"},
		{bare, nil, fail + " none is up and has an address"},
	} {
		if f := judgeInterfaces(test.with, test.interfaces); f.Status+" "+f.Found != test.want {
			t.Errorf("%+v, want %s", f, test.want)
		}
	}
	for _, test := range []struct {
		err    error
		advice string
	}{
		{syscall.EADDRINUSE, "end it"},
		{syscall.EADDRNOTAVAIL, "once interfaces"},
		{&net.OpError{Op: "listen", Addr: &net.TCPAddr{Port: 80}, Err: syscall.EACCES}, "above 1023"},
		{&net.OpError{Op: "listen", Addr: &net.UDPAddr{Port: 5670}, Err: syscall.EACCES}, "policy"},
		{&net.OpError{Op: "listen", Addr: &net.TCPAddr{}, Err: syscall.EPERM}, "policy"},
		{&net.OpError{Op: "route", Net: "ip+net", Err: os.NewSyscallError("netlinkrib", syscall.EACCES)}, "policy"},
		{&os.LinkError{Op: "rename", Old: "a", New: "b", Err: syscall.EACCES}, "--identity"},
		{&fs.PathError{Op: "open", Path: "ana", Err: syscall.EACCES}, "--identity"},
		{errors.New("something else"), "once doctor --help"},
	} {
		if f := refusal(test.err); f.Status != fail || !strings.Contains(f.Advice, test.advice) {
			t.Errorf("%v: %+v", test.err, f)
		}
	}
	if f := checkConnections(t.Context(), "tcp://[::]:5670"); f.Status != fail || !strings.Contains(f.Found, "no address") {
		t.Errorf("connects to no address: %+v", f)
	}
	if f := checkConnections(t.Context(), "tcp://"+taken.LocalAddr().String()); f.Status != fail {
		t.Errorf("connects to a port without a listener: %+v", f)
	}
}

// TestDoctorChecksGossip looks around where nodes find each other by gossip: with a
// server, with what is none, and with nothing at all.
func TestDoctorChecksGossip(t *testing.T) {
	n := newNetwork(t)
	server := n.server()
	gossips := func(cmd *exec.Cmd) *exec.Cmd {
		cmd.Env = append(cmd.Env, "ONCE_PORT=")
		return cmd
	}
	diagnosis := func(status int) (found map[string]finding) {
		p := n.run(gossips(n.command("doctor", "--json", "--wait", "1s", "--gossip-connect", server)))
		p.exits(status)
		return n.findings(p.seen)
	}
	found := diagnosis(1)
	n.wants(found, "gossip", fail, server+" is dead: dial tcp ")
	n.wants(found, "beacons", fine, "gossip")

	other, err := net.Listen("tcp4", strings.TrimPrefix(server, "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	var talk sync.WaitGroup
	talk.Go(func() {
		for conn, err := other.Accept(); err == nil; conn, err = other.Accept() {
			_, _ = conn.Write([]byte("HTTP/1.0 400 Bad Request\r\n")) // who called may be gone
			_ = conn.Close()
		}
	})
	n.wants(diagnosis(1), "gossip", fail, server+" is dead: the conversation ended: ")
	_ = other.Close() // ends the accepting
	talk.Wait()

	hub := n.run(gossips(n.command("listen", "--name", "hub", "--gossip-bind", server)))
	ana := n.run(gossips(n.command("listen", "--name", "ana", "--gossip-connect", server)))
	hub.sees(`\tenter\t\S+\tana`)
	ana.sees(`\tenter\t\S+\thub`)
	found = diagnosis(0)
	n.wants(found, "gossip", fine, server+" is alive")

	dead := newServer(t)
	p := n.run(gossips(n.command("doctor", "--wait", "1s", "--gossip-connect", server, "--gossip-connect", dead)))
	p.seesAll(`^ok    gossip      `+server+` is alive$`, `^fail  gossip      `+dead+` is dead: dial tcp .* refused$`)
	p.exits(1)
	n.wants(found, "peers", fine, "2: ")
}

// newServer returns an endpoint where nobody listens.
func newServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "tcp://" + l.Addr().String()
}

// TestDoctorAsksWhoRuns looks around with the identity of a node that runs: that one is
// asked, and nobody loses it.
func TestDoctorAsksWhoRuns(t *testing.T) {
	h := newHome(t)
	listener := h.start("listen", "--group", "room")
	h.answer("", "identity", "new", h.path("ana"))
	ana := h.start("chat", "--group", "room", "--name", "ana", "--identity", h.path("ana"))
	id := listener.sees(`\tenter\t(\S+)\tana`)[1]
	found := h.diagnosis(0, "--identity", h.path("ana"))
	h.wants(found, "node", fine, fmt.Sprintf("runs already, as ana in process %d on ", ana.cmd.Process.Pid))
	h.wants(found, "identity", fine, id+" in "+h.path("ana"))
	h.wants(found, "tcp", fine, "accepts connections at ")
	h.wants(found, "beacons", fine, "sent and heard back by the node that runs; ")
	h.wants(found, "peers", fine, "1: ")
	ana.says("/quit")
	listener.sees(`\texit\t` + id + `\tana\t\tleft\t\w+$`)
	if seen := strings.Join(listener.seen, "\n"); strings.Contains(seen, "replaced") {
		t.Errorf("somebody was replaced:\n%s", seen)
	}
	ana.exits(0)
	h.wants(h.diagnosis(0, "--identity", h.path("ana")), "identity", fine, id)
}

// TestDoctorSparesWhoRuns looks around with the identity of a node that is not shared: it
// is left alone.
func TestDoctorSparesWhoRuns(t *testing.T) {
	h := newHome(t)
	who, err := once.OpenIdentity(h.path("ana"))
	if err != nil {
		t.Fatal(err)
	}
	node, err := once.Start(t.Context(), once.Config{Name: "ana", Identity: who, Interfaces: []string{"127.0.0.1"}, BeaconPort: h.port})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	holder := fmt.Sprintf("%s, by process %d on ", h.path("ana"), os.Getpid())
	found := h.diagnosis(0, "--identity", h.path("ana"))
	h.wants(found, "node", warn, holder)
	h.wants(found, "identity", fine, node.UUID().String()+" in "+h.path("ana"))
	h.wants(found, "peers", fine, "ana")
	second := h.start("listen", "--identity", h.path("ana"))
	second.exits(1)
	second.complains(regexp.QuoteMeta(holder) + ".*: stop that one, or give this one another directory; it does not share the node")
}

// TestDoctorFindsTwin looks around with a copy of the identity of a node that runs.
func TestDoctorFindsTwin(t *testing.T) {
	h := newHome(t)
	id := h.fields(h.answer("", "identity", "new", h.path("ana")))["id"]
	if out, err := exec.Command("cp", "-r", h.path("ana"), h.path("copy")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	ana := h.start("chat", "--group", "room", "--identity", h.path("ana"))
	records := h.start("listen", "--json", "--group", "room")
	records.sees(`"enter".*` + id)
	h.wants(h.diagnosis(1, "--identity", h.path("copy")), "twin", fail, "another node has this node's identity")
	ana.sees(`^\* at tcp://127.0.0.1:\d+ another node has this node's identity, and was first seen .*once identity new`)
	ana.says("/quit")
	ana.exits(0)
	ana = h.start("listen", "--json", "--identity", h.path("ana"))
	copied := h.start("listen", "--identity", h.path("copy"))
	ana.sees(`"type":"twin",.*"peer":"` + id + `".*"endpoint":"tcp://127.0.0.1:\d+","headers":{},"reason":"another node`)
	copied.sees(`\ttwin\t` + id + `\t`)
	h.wants(h.diagnosis(1, "--identity", h.path("ana")), "twin", fail, "another node has this node's identity") // which runs
	h.wants(h.diagnosis(1), "twin", fail, "two nodes have one identity")                                        // somebody new
}

// TestDoctorFindsExpiry looks at a membership when it is over.
func TestDoctorFindsExpiry(t *testing.T) {
	network, err := once.OpenNetwork(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	invite, err := network.Invite("ana", "", uuid.Nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	who, err := once.JoinNetwork(t.TempDir(), invite)
	if err != nil {
		t.Fatal(err)
	}
	for days, want := range []string{fine, fail} {
		if f := checkIdentity(who, who.UUID(), time.Now().AddDate(0, 0, 2*days)); f.Status != want || (want == fail) != (f.Advice == renewal) {
			t.Errorf("after %d days: %+v", 2*days, f)
		}
	}
}

func TestPeersWatch(t *testing.T) {
	n := newNetwork(t)
	plain := n.start("peers", "--watch")
	records := n.start("peers", "--watch", "--json")
	ana := n.start("chat", "--group", "room", "--name", "ana")
	plain.sees(`\tenter\t\S+\tana\t`)
	plain.sees(`\tjoin\t\S+\tana\troom\t`)
	records.sees(`"type":"enter".*"name":"ana"`)
	ana.says("/quit")
	plain.sees(`\texit\t\S+\tana\t\tleft\t\w+$`)
	plain.interrupt()
	plain.exits(0)
	p := n.start("peers", "--watch", "--wait", "1s")
	p.exits(2)
}
