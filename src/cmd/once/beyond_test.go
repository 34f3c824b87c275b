package main

import (
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestBeyond has members who share no LAN find each other by a server that their invites
// bring, and go on when that is killed.
func TestBeyond(t *testing.T) {
	h := newHome(t)
	server := h.start("server", "--identity", h.path("server"), "--listen", h.server(), "--relay", "yes")
	address := server.sees(`^once://127\.0\.0\.1:\d+/\?key=[-\w]{43}#[-\w]{43}$`)[0]
	h.answer("", "network", "new", h.path("office"))
	h.complains(t, "--server: ", exitUsage, "invite", "ana", "--network", h.path("office"), "--server", "once://127.0.0.1/")
	invite := h.answer("", "invite", "ana", "--network", h.path("office"), "--offline", "--server", address)
	h.answer(invite, "join", "-", h.path("ana"))
	h.join("ben")
	h.join("cyd")

	alone := func(name string, args ...string) []string {
		return append(args, "--port", "0", "--identity", h.path(name))
	}
	ana := h.start(alone("ana", "listen", "--json", "--group", "room")...)
	ben := h.start(alone("ben", "chat", "--group", "room")...)
	ana.sees(`"enter".*"name":"ben","endpoint":"once://[0-9a-f-]{36}".*"protection":"sealed"`)
	ben.sees(`^\* ana joined room$`)
	ben.says("hello")
	ana.sees(`"shout".*"hello"`)

	p := h.start(alone("cyd", "ping", "ana")...)
	p.sees(`^ana answers by way of lan in `)
	p.exits(0)
	p = h.start(alone("cyd", "ping", "zoe", "--wait", "100ms")...)
	p.exits(exitFailed)
	p = h.start(alone("cyd", "doctor", "ana", "--group", "room")...)
	p.sees(`^ok +peer +ana \([0-9a-f-]{36}\) answers by way of lan in .*, sealed$`)
	p.sees(`^ok +tried +(relayed|lan 127\.0\.0\.1:\d+): `)
	p.exits(0)
	p = h.start(alone("cyd", "doctor")...)
	p.seesAll(`^ok +server +127\.0\.0\.1:\d+ answers in .*, and sees this node at 127\.0\.0\.1:\d+$`, `^ok +nat +none`, `^ok +relay`)

	wrong := regexp.MustCompile(`key=[-\w]{8}`).ReplaceAllString(address, "key=AAAAAAAA")
	p = h.start(alone("cyd", "doctor", "--server", wrong)...)
	p.sees(`^fail  server +127\.0\.0\.1:\d+ does not answer: it ends connections in the handshake: the KEY of its address may be another's`)
	p.exits(exitFailed)

	p = h.start("ping", "ben", "--identity", h.path("ana")) // which is asked of the node that runs
	p.sees(`^ben answers by way of lan in `)
	p.exits(0)
	if err := server.cmd.Process.Signal(os.Kill); err != nil {
		t.Fatal(err)
	}
	ben.says("still here")
	ana.seesAll(`"shout".*"still here"`, `"network".*"no rendezvous server is of use now, .*: 127\.0\.0\.1:\d+: .*refused"`)
	h.complains(t, "no server is of use now (127.0.0.1:", exitFailed, alone("cyd", "whisper", "zoe", "hi", "--wait", "1s")...)
	h.complains(t, "no server is of use now (127.0.0.1:", exitFailed, alone("cyd", "ping", "zoe", "--wait", "1s")...)
	p = h.start(alone("cyd", "doctor")...)
	p.sees(`^fail  server +127\.0\.0\.1:\d+ does not answer: `)
	p.exits(exitFailed)
	h.complains(t, "want an address as once server prints it", exitUsage, alone("ana", "peers", "--server", "tcp://127.0.0.1:7")...)
}

func TestSeparate(t *testing.T) {
	const one, two = "once://a:1,b:2/?key=K#S", "once://c/?key=K#S"
	for text, want := range map[string][]string{"a,b": {"a", "b"}, one: {one}, one + "," + two: {one, two}, "none": {"none"}, "": {""}} {
		if got := separate(text); !slices.Equal(got, want) {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// TestCheckBeyond tells a server that lets the node in no more from one that does not answer.
func TestCheckBeyond(t *testing.T) {
	const one = "once://192.0.2.1:5671/?key=K"
	servers := map[string]string{one: `the server says "the network has revoked it"`}
	for facts, want := range map[string]string{"refused " + one: "does not let this node in: the server says", "": "does not answer: the server says"} {
		got := checkBeyond(servers, map[string]string{facts: "revoked"})
		if len(got) != 1 || got[0].Status != fail || !strings.Contains(got[0].Found, "192.0.2.1:5671 "+want) {
			t.Errorf("%q: %+v", facts, got)
		}
	}
}

func TestNAT(t *testing.T) {
	own := []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	for _, c := range []struct {
		seen   string
		mapped string
		want   string
	}{
		{"192.0.2.1:7", "", fine + " none"},
		{"198.51.100.1:7", "tcp://198.51.100.1:8", fine + " a gateway"},
		{"198.51.100.1:7", "", warn + " there is one; what it does is not known"},
		{"198.51.100.1:7 198.51.100.1:7", "", fine + " there is one, which shows all the same port"},
		{"198.51.100.1:8 198.51.100.1:7", "", warn + " there is one that shows each server another port"},
	} {
		if f := judgeNAT(strings.Fields(c.seen), own, c.mapped); !strings.HasPrefix(f.Status+" "+f.Found, c.want) || (f.Status == fine) != (f.Advice == "") {
			t.Errorf("seen at %s: %+v, want %s", c.seen, f, c.want)
		}
	}
}
