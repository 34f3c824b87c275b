package serve

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/client"
)

// serveIn names the directory of a server that this test binary is, and where it listens.
const serveIn, serveAt = "ONCE_TEST_SERVE_IN", "ONCE_TEST_SERVE_AT"

// beServer is a server with a relay in a process of its own, until its input ends.
func beServer(dir string) {
	c := Config{Directory: dir, Logger: quiet}
	for name, value := range map[string]string{"listen": os.Getenv(serveAt), "relay": "yes"} {
		if err := c.Set(name, value); err != nil {
			panic(err)
		}
	}
	s, err := Start(context.Background(), c)
	if err != nil {
		panic(err)
	}
	os.Stdout.WriteString(s.Address() + "\n")
	_, _ = io.Copy(io.Discard, os.Stdin)
	s.Close()
}

// runServer starts such a process, and returns the address that it prints.
func runServer(t *testing.T, dir, at string) (p *exec.Cmd, address string) {
	t.Helper()
	p = exec.Command(os.Args[0])
	p.Env = append(os.Environ(), serveIn+"="+dir, serveAt+"="+at)
	p.Stderr = os.Stderr
	in, err := p.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.StdoutPipe()
	if err == nil {
		err = p.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = p.Wait() })
	if address, err = bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return p, strings.TrimSpace(address)
}

// TestKill: server and relay are killed as they are, in mid-stream, and start again: circuits
// end on both sides, nobody is lost to anybody, all are back, and there are circuits again.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := "tcp://" + l.Addr().String()
	_ = l.Close()
	p, address := runServer(t, dir, at)
	whole, err := NewNetwork(address)
	if err != nil {
		t.Fatal(err)
	}
	a, err := rendezvous.ParseAddress(whole)
	if err != nil {
		t.Fatal(err)
	}
	lent := make(chan *client.Circuit, 4)
	ana, _ := node(t, a, nil, nil)
	ben, other := node(t, a, nil, lent)
	await := func(is func() bool) {
		t.Helper()
		for deadline := time.Now().Add(2 * time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("in vain: %+v, %+v", ana.State(), ben.State())
			}
		}
	}
	know := func() bool { return len(ana.Peers()) == 1 && len(ben.Peers()) == 1 }
	circuit := func() (near, far net.Conn) {
		t.Helper()
		first, err := ana.Circuit(t.Context(), other, nil, nil)
		if err == nil {
			near, err = first.Dial(t.Context())
		}
		if err == nil {
			far, err = (<-lent).Dial(t.Context())
		}
		if err == nil {
			_, err = near.Write([]byte("hello"))
		}
		if err == nil {
			_, err = io.ReadFull(far, make([]byte, 5))
		}
		if err != nil {
			t.Fatal(err)
		}
		return near, far
	}
	await(know)
	for range 2 {
		near, far := circuit()
		wrote := make(chan error)
		go func() {
			for {
				if _, err := near.Write(make([]byte, 64<<10)); err != nil {
					wrote <- err
					return
				}
			}
		}()
		if _, err := io.CopyN(io.Discard, far, 1<<20); err != nil {
			t.Fatal(err)
		}
		if err := p.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, far) // to its end, whatever that is
		<-wrote
		_, _ = near.Close(), far.Close()
		await(func() bool { return ill(ana.State()) && ill(ben.State()) })
		if !know() {
			t.Error("they forget each other with the server")
		}
		p, _ = runServer(t, dir, at)
		await(func() bool { return well(ana.State()) && well(ben.State()) })
		await(know)
	}
	near, far := circuit()
	_, _ = near.Close(), far.Close()
}
