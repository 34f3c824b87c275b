package main

import (
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

func TestConversation(t *testing.T) {
	n := newNetwork(t)
	ana := n.start("chat", "--group", "room", "--group", "news", "--name", "ana")
	ben := n.start("chat", "--group", "room", "--name", "ben")
	ana.sees(`^\* ben joined room$`)
	ben.sees(`^\* ana joined room$`)

	ben.says("hello, ana")
	ana.sees(`^\[room\] ben: hello, ana$`)
	ana.says("//hello, ben\x1b[2J")
	ben.sees(`^ana: /hello, ben\\x1b\[2J$`)
	ana.says("/whisper ben psst")
	ben.sees(`^ana whispers: psst$`)

	ben.says("/join side")
	ben.sees(`^\* you are in side; others there: nobody$`)
	ana.says("/join side")
	ben.sees(`^\* ana joined side$`)
	ben.says("aside")
	ana.sees(`^\[side\] ben: aside$`)
	ben.says("/groups")
	ben.sees(`^\* your groups: room, side$`)
	ben.sees(`^\* groups of others: news, room, side$`)
	ben.says("/leave")
	ben.sees(`^\* you left side$`)
	ana.sees(`^\* ben left side$`)
	ben.says("back in the room")
	ana.sees(`^\[room\] ben: back in the room$`)
	ben.says("/peers")
	ben.sees(`^ana\t[0-9a-f-]{36}\ttcp://127\.0\.0\.1:\d+\tsealed\tlan\tnews,room,side$`)
	ben.says("/help")
	ben.sees(`^  /quit `)

	ben.says("the last words")
	ben.closeInput()
	ben.exits(0)
	ana.sees(`^\[room\] ben: the last words$`)
	ana.sees(`^\* ben is gone \(left\)$`)
	ana.says("/quit")
	ana.exits(0)
}

// TestGossip has two meet without a beacon.
func TestGossip(t *testing.T) {
	n := newNetwork(t)
	server := n.server()
	start := func(args ...string) *process {
		cmd := n.command(args...)
		cmd.Env = append(cmd.Env, "ONCE_PORT=") // as if not given
		return n.run(cmd)
	}
	ben := start("chat", "--group", "room", "--name", "ben", "--gossip-connect", server)
	ana := start("chat", "--group", "room", "--name", "ana", "--gossip-bind", server)
	ben.sees(`^\* ana joined room$`)
	ana.sees(`^\* ben joined room$`)
	ben.says("hello, ana")
	ana.sees(`^ben: hello, ana$`)
}

func TestConversationFails(t *testing.T) {
	for name, test := range map[string]struct{ line, complaint string }{
		"no command": {"/sing", `no command "/sing": /help`},
		"no peer":    {"/whisper zoe hi", `"zoe" is not here`},
		"no text":    {"/whisper ana", `/whisper NAME TEXT`},
		"no group":   {"/join", `/join GROUP`},
		"no name":    {"/join " + strings.Repeat("g", 256), `group "g{39}…?.*256 octets given, 1 to 255 allowed`},
		"left":       {"/leave\nhello?", `/join one first`},
		"alone":      {"/join empty\nhello?", `nobody is in group "empty"`},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t)
			n.start("listen", "--group", "room", "--name", "ana")
			p := n.start("chat", "--group", "room")
			p.says(test.line)
			p.exits(1)
			p.complains(test.complaint)
		})
	}
}

// TestNamesakes checks that one cannot be taken for another of the same name.
func TestNamesakes(t *testing.T) {
	n := newNetwork(t)
	var ids []string
	watcher := n.start("listen", "--name", "watcher")
	chat := n.start("chat", "--group", "room", "--name", "ben")
	watcher.sees(`\tenter\t`)
	for range 2 {
		n.start("chat", "--group", "room", "--name", "ana")
		ids = append(ids, watcher.sees(`\tenter\t(\S+)\tana`)[1])
	}
	p := n.start("whisper", "ana", "who are you?")
	p.exits(1)
	p.complains(`2 peers are meant by "ana": say which by its id: ` +
		`[0-9a-f]{8} is ana 127\.0\.0\.1:\d+, [0-9a-f]{8} is ana 127\.0\.0\.1:\d+: nothing was sent`)
	p.complains(ids[0][:8])
	p.complains(ids[1][:8])
	chat.sees(`^\* ana\((` + ids[0][:8] + "|" + ids[1][:8] + `)\) joined room$`)
}

// event is what a line of listen --json must be.
type event struct {
	Type     string            `json:"type"`
	Time     time.Time         `json:"time"`
	Peer     string            `json:"peer"`
	Name     string            `json:"name"`
	Group    string            `json:"group"`
	Content  []string          `json:"content"`
	Encoding string            `json:"content_encoding"`
	Endpoint string            `json:"endpoint"`
	Headers  map[string]string `json:"headers"`
	Reason   string            `json:"reason"`

	Protection string `json:"protection"`
	Way        string `json:"way"`
	Identity   string `json:"identity"`
}

func (p *process) seesEvent() (e event) {
	p.t.Helper()
	line := p.sees(`^.*$`)[0]
	decoder := json.NewDecoder(strings.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&e); err != nil {
		p.t.Fatalf("%s: %v", line, err)
	}
	if len(e.Peer) != 36 || !strings.HasPrefix(e.Endpoint, "tcp://127.0.0.1:") || time.Since(e.Time).Abs() > time.Minute {
		p.t.Errorf("%s: no peer, endpoint or time", line)
	}
	return e
}

func TestTrace(t *testing.T) {
	n := newNetwork(t)
	tracer := n.start("trace", "--group", "room", "--name", "tracer")
	peer := n.start("chat", "--group", "room", "--name", "ana")
	tracer.sees(`^{"time":"[^"]+","machine":"peer","about":"[0-9a-f-]+","state":"(gree|meet)\w+","event":"\w+","next":"ready"}$`)
	peer.says("/quit")
	peer.exits(0)
	tracer.sees(`"machine":"peer",.*"event":"goodbye","next":"gone"`)
	tracer.interrupt()
	tracer.exits(0)
}

func TestListenJSON(t *testing.T) {
	n := newNetwork(t)
	listener := n.start("listen", "--group", "room", "--json", "--name", "listener")
	peer := n.start("chat", "--group", "room", "--name", "péer\x1b", "--header", "role=te,st", "--header", "b=")
	peer.says("\u009bshout")
	peer.says("/whisper listener a\xffb")
	peer.says("/leave")
	peer.says("/quit")
	peer.exits(0)

	var id string
	for i, want := range []event{
		{Type: "enter"},
		{Type: "join", Group: "room"},
		{Type: "shout", Group: "room", Content: []string{"\u009bshout"}},
		{Type: "whisper", Content: []string{"Yf9i"}, Encoding: "base64"},
		{Type: "leave", Group: "room"},
		{Type: "exit", Reason: "left"},
	} {
		got := listener.seesEvent()
		if i == 0 {
			id = got.Peer
		}
		if got.Type != want.Type || got.Group != want.Group || got.Encoding != want.Encoding || got.Reason != want.Reason ||
			strings.Join(got.Content, "|") != strings.Join(want.Content, "|") {
			t.Errorf("event %d is %+v, want %+v", i, got, want)
		}
		if got.Peer != id || got.Name != "péer\x1b" || len(got.Headers) != 2 || got.Headers["role"] != "te,st" ||
			got.Protection != "sealed" || len(got.Identity) != 40 {
			t.Errorf("event %d is of %+v", i, got)
		}
	}
	for _, line := range listener.seen {
		if strings.ContainsFunc(line, func(r rune) bool { return !safe(r) }) {
			t.Errorf("%q is not safe on a terminal", line)
		}
	}
}

func TestSend(t *testing.T) {
	n := newNetwork(t)
	listener := n.start("listen", "--group", "room", "--name", "listener")
	other := n.start("listen", "--group", "room", "--name", "other")
	id := other.sees(`\tenter\t(\S+)\tlistener\t\t\t\w+$`)[1]

	n.start("shout", "--group", "room", "to", "all of you").exits(0)
	listener.sees(`\tshout\t.*\troom\tto all of you\t\w+$`)
	other.sees(`\tshout\t.*\troom\tto all of you\t\w+$`)
	n.start("whisper", "listener", "by name").exits(0)
	listener.sees(`\twhisper\t.*\t\tby name\tsealed$`)
	n.start("whisper", id, "by", "id").exits(0)
	listener.sees(`\twhisper\t.*\t\tby id\tsealed$`)

	p := n.start("whisper", "listener", "-")
	if _, err := io.WriteString(p.in, "from\x00\n- a pipe"); err != nil {
		t.Fatal(err)
	}
	p.closeInput()
	p.exits(0)
	listener.sees(`\twhisper\t.*\t\tfrom\\x00\\n- a pipe\t\w+$`)

	p = n.start("shout", "--group", "room", "-")
	if _, err := io.CopyN(p.in, strings.NewReader(strings.Repeat("x", maxMessage+1)), maxMessage+1); err != nil {
		t.Fatal(err)
	}
	p.exits(1)
	p.complains(`standard input is longer than`)
}

func TestNobodyThere(t *testing.T) {
	n := newNetwork(t)
	other := n.start("listen", "--group", "other", "--name", "other")
	for _, test := range []struct {
		args      []string
		complaint string
	}{
		{[]string{"shout", "--group", "room", "hi"}, `group "room": nobody there within 1s, of 1 peers seen: .*--port`},
		{[]string{"whisper", "zoe", "hi"}, `peer "zoe": nobody there within 1s, of 1 peers seen: .*--wait`},
		{[]string{"whisper", "00000000-0000-4000-8000-000000000000", "hi"}, `peer "0{8}-.*": nobody there`},
		{[]string{"chat", "--group", "room"}, `group "room": nobody there within 1s`},
	} {
		began := time.Now()
		p := n.start(append(test.args, "--wait", "1s")...)
		p.exits(1)
		p.complains(test.complaint)
		if took := time.Since(began); took < time.Second || took > patience {
			t.Errorf("%q took %v", test.args, took)
		}
		other.sees(`\texit\t.*\tleft\t\w+$`)
	}
}

func TestPeers(t *testing.T) {
	n := newNetwork(t)
	alone := n.start("peers", "--wait", "10ms")
	alone.exits(exitFailed)
	alone.complains("^once: nobody is here: are all on the same --interface")
	one := n.start("listen", "--group", "b", "--group", "a", "--name", "tab\there", "--header", "k=v")
	plain := n.start("peers", "--wait", "1500ms")
	verbose := n.start("peers", "--wait", "1500ms", "-v")
	asJSON := n.start("peers", "--wait", "1500ms", "--json", "--name", "second")
	all := n.start("peers", "--wait", "1500ms", "--json", "-v")
	id := one.sees(`\tenter\t(\S+)\tsecond`)[1]
	match := plain.sees(`^tab\\there\t([0-9a-f-]{36})\ttcp://127\.0\.0\.1:\d+\tsealed\tlan\ta,b$`)
	plain.exits(0)
	verbose.sees(`^tab\\there\t[0-9a-f-]{36}\t\S+\tsealed\tlan\ta,b\t[0-9.]+[µm]s\t0$`)
	verbose.exits(0)
	all.sees(`"name":"tab\\there".*"round_trip":[0-9.]+,"waiting_octets":0}`)
	all.exits(0)

	var got peerRecord
	if err := json.Unmarshal([]byte(asJSON.sees(`.*tab.*`)[0]), &got); err != nil {
		t.Fatal(err)
	}
	asJSON.exits(0)
	if got.Peer != match[1] || got.Peer == id || got.Name != "tab\there" || strings.Join(got.Groups, ",") != "a,b" || got.Headers["k"] != "v" ||
		got.Protection != "sealed" || len(got.Identity) != 40 {
		t.Errorf("--json lists %+v", got)
	}
}

func TestInterrupt(t *testing.T) {
	n := newNetwork(t)
	watcher := n.start("listen", "--name", "watcher")
	for _, test := range []struct {
		args   []string
		status int
	}{
		{[]string{"listen", "--group", "room"}, 0},
		{[]string{"chat", "--group", "room", "--wait", "1m"}, 0},
		{[]string{"shout", "--group", "room", "--wait", "1m", "hi"}, 130},
		{[]string{"peers", "--wait", "1m"}, 130},
	} {
		p := n.start(test.args...)
		watcher.sees(`\tenter\t`)
		p.interrupt()
		p.exits(test.status)
		watcher.sees(`\texit\t.*\tleft\t\w+$`)
	}
}

// TestClosedOutput checks that whoever stops reading ends the program, without a
// complaint and with a goodbye.
func TestClosedOutput(t *testing.T) {
	for _, command := range []string{"listen", "chat"} {
		t.Run(command, func(t *testing.T) {
			n := newNetwork(t)
			watcher := n.start("listen", "--name", "watcher", "--group", "room")
			p := n.start(command, "--group", "room", "--name", "deaf")
			p.sees(`watcher joined room|join\t.*\troom`)
			watcher.sees(`\tjoin\t\S+\tdeaf\t`)
			if err := p.out.Close(); err != nil {
				t.Fatal(err)
			}
			n.start("chat", "--group", "room", "--name", "loud")
			watcher.sees(`\texit\t\S+\tdeaf\t\tleft\t\w+$`)
			p.exits(0)
			p.complains(`^$`)
		})
	}
}

func TestUsage(t *testing.T) {
	n := newNetwork(t)
	for _, test := range []struct {
		args      []string
		complaint string
	}{
		{[]string{"sing"}, `unknown command "sing"`},
		{[]string{"help", "sing"}, `there is no command "sing"`},
		{[]string{"identity", "sing"}, `unknown command "sing" for "once identity"`},
		{[]string{"chat"}, `--group GROUP is needed, or ONCE_GROUP\nonce: 'once chat --help'`},
		{[]string{"chat", "--group", "a", "b"}, `\["b"\] given; use it as: once chat --group`},
		{[]string{"shout", "--group", "a"}, `no arguments given; use it as: once shout --group GROUP .* TEXT`},
		{[]string{"whisper", "a"}, `\["a"\] given; use it as: once whisper .* NAME\S* TEXT`},
		{[]string{"whisper", "a", "-b"}, `there is no flag -b; a text that begins with a dash comes after --, as in once whisper .* NAME\S* -- TEXT`},
		{[]string{"whisper", "a", "-hello"}, `there is no flag -hello; a text that begins with a dash comes after --`},
		{[]string{"shout", "--group", "a", "--b"}, `there is no flag --b; a text that begins with a dash comes after --`},
		{[]string{"listen", "-5"}, `there is no flag -5\n`},
		{[]string{"listen", "--\x1b[2J"}, `there is no flag --\\x1b\[2J\n`},
		{[]string{"listen", "--group"}, `--group needs a value: GROUP`},
		{[]string{"listen", "--json=maybe"}, `--json "maybe": give true or false\n`},
		{[]string{"listen", "--port", "65536"}, `--port "65536": give a number from 0 to 65535\n`},
		{[]string{"listen", "--port", "http"}, `--port "http": give a number from 0 to 65535\n`},
		{[]string{"listen", "--max-peers", "1"}, `--max-peers "1": give a number from 2 to 1048576\n`},
		{[]string{"listen", "--max-strangers", "many"}, `--max-strangers "many": give a number from 16 to 65536\n`},
		{[]string{"listen", "--max-per-address", "0"}, `--max-per-address "0": give a number from 8 to 65536\n`},
		{[]string{"listen", "--log-level", "loud"}, `--log-level "loud": choose one of debug, info, warn, error\n`},
		{[]string{"listen", "--security", "loud"}, `--security "loud": choose one of plain, auto, secure\n`},
		{[]string{"listen", "--trust", "first use"}, `--trust "first use": choose one of open, first-use, members\n`},
		{[]string{"invite", "ana", "--days", "many"}, `--days "many": give a number from 1 to 3650\n`},
		{[]string{"invite", "ana", "--id", "ana"}, `--id "ana": give an id as once identity show tells it\n`},
		{[]string{"peers", "--wait", "soon"}, `--wait "soon": give a time above 0, such as 500ms or 5s\n`},
		{[]string{"peers", "--wait", "0s"}, `--wait "0s": give a time above 0`},
		{[]string{"peers", "--wait", "9223372036855s"}, `--wait "9223372036855s": give a time above 0`},
		{[]string{"doctor", "--wait", "-1s"}, `--wait "-1s": give a time above 0`},
		{[]string{"chat", "--wait", "-1s"}, `--wait "-1s": give a time above 0`},
		{[]string{"shout", "--wait", "-1s"}, `--wait "-1s": give a time above 0`},
		{[]string{"whisper", "--wait", "-1s"}, `--wait "-1s": give a time above 0`},
		{[]string{"listen", "--for", "-1s"}, `--for "-1s": give a time above 0`},
		{[]string{"listen", "--count", "0"}, `--count "0": give a number from 1 on\n`},
		{[]string{"listen", "--count", "-1"}, `--count "-1": give a number from 1 on\n`},
		{[]string{"listen", "--count", "1.5"}, `--count "1.5": give a number from 1 on\n`},
		{[]string{"listen", "--type", "song"}, `--type "song": choose one of enter, exit, .*shout`},
		{[]string{"peers", "--wait", "1s", "--watch"}, `--wait and --watch exclude each other\n`},
		{[]string{"listen", "--name", strings.Repeat("n", 256)}, `--name "n{64}"\.\.\.: 256 octets given, 0 to 255 octets allowed\n`},
		{[]string{"listen", "--contest", ""}, `--contest "": 0 octets given, 1 to 255 octets allowed\n`},
		{[]string{"peers", "--sealed", ""}, `--sealed "": 0 octets given`},
		{[]string{"listen", "--header", "k"}, `--header "k": give K=V\n`},
		{[]string{"listen", "--header", "X-ONCE-A=1"}, `--header "X-ONCE-A": .*reserved: choose another`},
		{[]string{"listen", "--group", strings.Repeat("g", 256)}, `--group "g{64}"\.\.\.: 256 octets given, 1 to 255 octets allowed\n`},
		{[]string{"shout", "--group", strings.Repeat("g", 256), "-"}, `--group "g{39}…": 256 octets given, 1 to 255 allowed\n`},
		{[]string{"shout", "--group", "", "hi"}, `--group "": 0 octets given`},
		{[]string{"whisper", strings.Repeat("w", 256), "hi"}, `peer "w{39}…": 256 octets given`},
		{[]string{"whisper", "", "hi"}, `peer "": 0 octets given`},
		{[]string{"listen", "--interface", ""}, `--interface "": want an IP address, or a name of 1 to 15 octets`},
		{[]string{"listen", "--interface", "lo", "--interface", ""}, `--interface "": want an IP address`},
		{[]string{"listen", "--interface", "192.0.2.0/24"}, `--interface "192\.0\.2\.0/24": want an IP address`},
		{[]string{"listen", "--interface", strings.Repeat("e", 256)}, `--interface "e{64}"\.\.\.: want an IP address`},
		{[]string{"listen", "--advertise", "tcp://0.0.0.0:5670"}, `--advertise "tcp://0\.0\.0\.0:5670": want tcp://ADDRESS:PORT, the address or name of one host`},
		{[]string{"doctor", "--advertise", "tcp://*:5670"}, `--advertise "tcp://\*:5670": .*one host`},
		{[]string{"listen", "--endpoint", "tcp://224.0.0.1:5670"}, `--endpoint "tcp://224\.0\.0\.1:5670": want the address of one host\n`},
		{[]string{"listen", "--endpoint", "nonsense"}, `--endpoint "nonsense": want tcp://ADDRESS:PORT\n`},
		{[]string{"listen", "--gossip-bind", "5670"}, `--gossip-bind "5670": want tcp://ADDRESS:PORT\n`},
		{[]string{"listen", "--gossip-connect", "tcp://192.0.2.1:0"}, `--gossip-connect "tcp://192\.0\.2\.1:0": .*port from 1`},
		{[]string{"listen", "--security", "plain", "--trust", "first-use"}, `--security: a node without security has no identity`},
		{[]string{"listen", "--trust", "members"}, `--trust: the node trusts members only, and is none`},
		{[]string{"doctor", "--trust", "members"}, `--trust: the node trusts members only, and is none`},
	} {
		p := n.start(test.args...)
		p.exits(2)
		p.complains(`^once: ` + test.complaint)
		if strings.Contains(p.errors.String(), "Config.") || strings.Contains(p.errors.String(), "strconv") || len(p.seen) > 0 {
			p.complains("nothing of how the program is made")
		}
	}
}

func TestEnvironment(t *testing.T) {
	n := newNetwork(t)
	watcher := n.start("listen", "--json")
	cmd := n.command("listen", "--name", "flag")
	cmd.Env = append(cmd.Env, "ONCE_NAME=environment", "ONCE_GROUP=a,b", "ONCE_HEADER=k=v,l=w", "ONCE_LOG_LEVEL=info")
	p := n.run(cmd)
	watcher.sees(`"join".*"name":"flag".*"headers":{"k":"v","l":"w"}.*"group":"a"`)
	watcher.sees(`"join".*"group":"b"`)
	p.interrupt()
	p.exits(0)
	p.complains(`level=INFO msg="node started" .*name=flag`)

	for variable, complaint := range map[string]string{
		"ONCE_LOG_LEVEL=loud":    `^once: ONCE_LOG_LEVEL "loud": choose one of`,
		"ONCE_PORT=70000":        `^once: ONCE_PORT "70000": give a number from 0 to 65535\n`,
		"ONCE_JSON=maybe":        `^once: ONCE_JSON "maybe": give true or false\n`,
		"ONCE_ENDPOINT=nonsense": `^once: ONCE_ENDPOINT "nonsense": want tcp://ADDRESS:PORT\n`,
		"ONCE_GROUP=a,,b":        `^once: ONCE_GROUP "": 0 octets given`,
		"ONCE_HEADER=k":          `^once: ONCE_HEADER "k": give K=V\n`,
		"ONCE_COUNT=-1":          `^once: ONCE_COUNT "-1": give a number from 1 on\n`,
		"ONCE_TRUST=members":     `^once: ONCE_TRUST: the node trusts members only`,
	} {
		cmd = n.command("listen")
		cmd.Env = append(cmd.Env, variable)
		p = n.run(cmd)
		p.exits(2)
		p.complains(complaint)
	}
	cmd = n.command("peers")
	cmd.Env = append(cmd.Env, "ONCE_WAIT=1s", "ONCE_WATCH=true")
	p = n.run(cmd)
	p.exits(2)
	p.complains(`^once: ONCE_\w+ and ONCE_\w+ exclude each other\n`)
	cmd = n.command("peers", "--wait", "1ms")
	cmd.Env = append(cmd.Env, "ONCE_WATCH=true")
	_ = cmd.Run() // the status is looked at
	if status := cmd.ProcessState.ExitCode(); status != 0 && status != exitFailed {
		t.Errorf("a list ends with %d", status)
	}
	cmd = n.command("shout", "--group", "flag", "hi")
	cmd.Env = append(cmd.Env, "ONCE_WAIT=1ns", "ONCE_GROUP=variable")
	p = n.run(cmd)
	p.exits(1)
	p.complains(`^once: group "flag": nobody there within 1ns`)
}

func TestInterfacesAndVersion(t *testing.T) {
	n := newNetwork(t)
	p := n.start("interfaces", "--json")
	var got interfaceRecord
	if err := json.Unmarshal([]byte(p.sees(`.*127\.0\.0\.1.*`)[0]), &got); err != nil {
		t.Fatal(err)
	}
	if got.Name == "" || got.Address != "127.0.0.1" || got.Network != "127.0.0.0/8" || !got.Loopback || got.Broadcast != "127.255.255.255" {
		t.Errorf("loopback is %+v", got)
	}
	p = n.start("interfaces")
	p.sees(`^` + got.Name + `\t127\.0\.0\.1\t127\.0\.0\.0/8\t127\.255\.255\.255$`)
	p.exits(0)
	for _, ask := range []string{"version", "--version", "-v"} {
		p = n.start(ask)
		p.sees(`^once \S+ go1\.\d+\S* \w+/\w+$`)
		p.exits(0)
	}
	p = n.start("listen", "--interface", "nonesuch")
	p.sees(`\tnetwork\t\t\t\twaiting for an interface: no usable network interface "nonesuch"; there are: .*127\.0\.0\.1`)
	p.interrupt()
	p.exits(0)
	p.complains(`level=WARN msg=network change="waiting for an interface: .*nonesuch`)
}

// TestHelp checks that all is described, and that examples are right.
func TestHelp(t *testing.T) {
	root, _ := newRoot()
	commands := []*cobra.Command{root}
	for len(commands) > 0 {
		command := commands[0]
		commands = append(commands[1:], command.Commands()...)
		if command.Example == "" || command.Short == "" {
			t.Errorf("%s: no example or description", command.CommandPath())
		}
		for line := range strings.SplitSeq(command.Long, "\n") {
			if len(line) > 80 {
				t.Errorf("%s: %q is too long for a terminal", command.CommandPath(), line)
			}
		}
		for _, example := range examples.FindAllStringSubmatch(command.Example, -1) {
			found, args, err := root.Find(strings.Fields(example[1]))
			if err = errors.Join(err, found.ParseFlags(args), found.ValidateArgs(found.Flags().Args())); err != nil {
				t.Errorf("%s: %q: %v", command.CommandPath(), example[1], err)
			}
		}
	}
}

// examples matches the arguments of once in examples, up to what is the shell's or
// stands apart.
var examples = regexp.MustCompile(`\bonce ((?: ?[^ |<>]+)+)`)
