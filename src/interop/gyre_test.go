package interop

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

const patience = 20 * time.Second // for what takes a second on a quiet machine

// scratch is a folder for what tests build, until all have run.
var scratch string

func TestMain(m *testing.M) {
	if config := os.Getenv(zyreEnv); config != "" {
		zyreMain(config)
	}
	// CZMQ allows 1,024 sockets by default and takes over signals.
	err := errors.Join(os.Setenv("ZSYS_MAX_SOCKETS", "0"), os.Setenv("ZSYS_SIGHANDLER", "false"))
	if err == nil {
		scratch, err = os.MkdirTemp("", "interop")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil { // those in parallel wait more than they compute
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := os.RemoveAll(scratch); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// buildGyre builds gyrenode, once.
var buildGyre = sync.OnceValues(func() (program string, err error) {
	program = filepath.Join(scratch, "gyrenode")
	if out, err := exec.Command("bash", "gyrenode/build.sh", program).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build gyrenode: %w: %s", err, out)
	}
	return program, nil
})

// plainNode is a running process that is a node of gyre, or one like Zyre's.
type plainNode struct {
	t        *testing.T
	name     string
	uuid     string
	endpoint string // where it accepts connections; gyre does not tell
	stdin    io.WriteCloser
	events   chan Event // closed when the process has ended
	process  *os.Process
	stop     func() // ends the process; may be called twice
}

// startGyre starts a node on the loopback interface, or whatever device is.
func startGyre(t *testing.T, name, device string, port int) *plainNode {
	t.Helper()
	program, err := buildGyre()
	must(t, err)
	node := exec.Command(program, "-name", name, "-interface", device, "-port", strconv.Itoa(port))
	node.Env = append(os.Environ(), "BEACON_BROADCAST=1") // as ZRE has it, instead of multicast
	return startPlain(t, name, node)
}

// startPlain starts the process of a node, and waits until it is ready.
func startPlain(t *testing.T, name string, node *exec.Cmd) *plainNode {
	t.Helper()
	var complaints bytes.Buffer
	node.Stderr = &complaints
	g := &plainNode{t: t, name: name, events: make(chan Event, 1024)}
	stdin, err := node.StdinPipe()
	must(t, err)
	stdout, err := node.StdoutPipe()
	must(t, err)
	must(t, node.Start())
	g.stdin, g.process = stdin, node.Process
	go g.read(json.NewDecoder(stdout))
	g.stop = sync.OnceFunc(func() {
		g.stdin.Close()
		for range g.events {
		}
		if err := node.Wait(); err != nil || complaints.Len() > 0 {
			t.Logf("%s: %v: %s", name, err, complaints.String())
		}
	})
	t.Cleanup(g.stop)
	select {
	case ready := <-g.events:
		g.uuid, g.endpoint = ready.Peer, ready.Addr
	case <-time.After(patience):
	}
	if g.uuid == "" {
		g.stop()
		t.Fatalf("%s does not start", name)
	}
	return g
}

// kill ends the process without a word, as kill -9 does.
func (g *plainNode) kill() {
	g.t.Helper()
	must(g.t, g.process.Kill())
	g.stop()
}

// read passes events on until the process ends its output.
func (g *plainNode) read(out *json.Decoder) {
	defer close(g.events)
	for {
		var e Event
		if err := out.Decode(&e); err != nil {
			return
		}
		g.events <- e
	}
}

func (g *plainNode) do(do, to, content string) {
	g.t.Helper()
	must(g.t, json.NewEncoder(g.stdin).Encode(Command{do, to, []byte(content)}))
}

// sees waits for an event, given as its String, and drops those before it.
func (g *plainNode) sees(want string) Event {
	g.t.Helper()
	timeout, others := time.After(patience), []string{}
	for {
		select {
		case e, alive := <-g.events:
			if alive && e.String() == want {
				return e
			}
			others = append(others, e.String())
			if alive {
				continue
			}
		case <-timeout:
		}
		g.t.Fatalf("%s has not seen %.60q but %.60q", g.name, want, others)
	}
}

func (e Event) String() string {
	said := e.Type
	for _, part := range []string{e.Name, e.Addr, e.Group, string(e.Content)} {
		if part != "" {
			said += " " + part
		}
	}
	return said
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// freePort returns a UDP port that no one on loopback uses.
func freePort(t *testing.T) int {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).Port
}

// TestGyreWithItself shows that the judge is sane: two gyre nodes find each other
// and talk where and how the other tests let them.
func TestGyreWithItself(t *testing.T) {
	port := freePort(t)
	ann, bob := startGyre(t, "ann", "lo", port), startGyre(t, "bob", "lo", port)
	if got := ann.sees("enter bob 127.0.0.1"); got.Peer != bob.uuid || got.Headers["X-NAME"] != "bob" {
		t.Errorf("%+v", got)
	}
	bob.sees("enter ann 127.0.0.1")
	ann.do("join", "CHAT", "")
	bob.sees("join ann CHAT")
	bob.do("join", "CHAT", "")
	ann.sees("join bob CHAT")

	ann.do("whisper", bob.uuid, "psst\x00")
	bob.sees("whisper ann psst\x00")
	bob.do("shout", "CHAT", "hello all")
	ann.sees("shout bob CHAT hello all")

	bob.do("leave", "CHAT", "")
	ann.sees("leave bob CHAT")
	bob.stop()
	ann.sees("exit bob")
}
