package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestServer runs a server as its operator does: it tells its address, and a SECRET once,
// how it goes, reads its file again, and ends with 0.
func TestServer(t *testing.T) {
	n := newNetwork(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "server.conf")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# limits\nmax-peers = 7\n")
	run := func() *process {
		return n.start("server", "--identity", dir, "--listen", n.server(), "--config", file, "--log-json")
	}
	p := run()
	address := p.sees(`^(once://127\.0\.0\.1:\d+/\?key=[-\w]{43})#[-\w]{43}$`)[1]
	n.complains(t, "another node runs with this identity", exitFailed, "server", "--identity", dir, "--listen", "tcp://127.0.0.1:*")
	if got := n.output(t, "server", "status", "--identity", dir); !strings.Contains(got, address) || !strings.Contains(got, "0 in 0 networks") {
		t.Errorf("status: %s", got)
	}
	if got := n.output(t, "server", "status", "--json", "--identity", dir); !strings.Contains(got, `"peers":0`) {
		t.Errorf("status: %s", got)
	}
	first, second := n.output(t, "server", "network", "--identity", dir), n.output(t, "server", "network", "--identity", dir)
	if first == second || !strings.HasPrefix(first, address+"#") {
		t.Errorf("networks %s and %s", first, second)
	}
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); !strings.Contains(n.output(t, "server", "status", "--json", "--identity", dir), `"reloads":1`); {
		if time.Now().After(deadline) {
			t.Fatal("it does not read its file again")
		}
	}
	p.ends(0, syscall.SIGTERM)
	if !strings.Contains(p.errors.String(), "kept nowhere") {
		t.Errorf("it says %s", p.errors.String())
	}
	write("max-peers = many\n")
	n.complains(t, "line 1: max-peers", exitUsage, "server", "--identity", dir, "--config", file)
	write("max-peers = 7\n")
	p = run()
	p.sees(`^once://127\.0\.0\.1:\d+/\?key=[-\w]{43}$`)
	n.complains(t, "end the server first", exitFailed, "server", "rotate", "--identity", dir)
	p.ends(0, syscall.SIGTERM)
	n.output(t, "server", "rotate", "--identity", dir)
	p = run()
	if again := p.sees(`^(once://127\.0\.0\.1:\d+/\?key=[-\w]{43})$`)[1]; again == address {
		t.Error("it has the same key")
	}
	p.ends(0, syscall.SIGTERM)
	n.complains(t, `--max-peers "many": give a number`, exitUsage, "server", "--identity", dir, "--max-peers", "many")
	n.complains(t, `tls-cert "cert.pem": it means nothing without wss`, exitUsage, "server", "--identity", dir, "--tls-cert", "cert.pem")
	n.complains(t, "no server runs in "+dir+": once server starts one\n", exitFailed, "server", "status", "--identity", dir)
}

// output returns what the program says, which must do what it is asked for.
func (n network) output(t *testing.T, args ...string) string {
	t.Helper()
	out, err := n.command(args...).Output()
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return strings.TrimSpace(string(out))
}

// complains runs the program, which must end with a status and say what is wrong.
func (n network) complains(t *testing.T, want string, status int, args ...string) {
	t.Helper()
	cmd := n.command(args...)
	var errors strings.Builder
	cmd.Stderr = &errors
	_ = cmd.Run() // the status is looked at
	matched := false
	for _, part := range strings.Split(want, "|") {
		matched = matched || strings.Contains(errors.String(), part)
	}
	if cmd.ProcessState.ExitCode() != status || !matched {
		t.Errorf("%q ends with %d: %s", args, cmd.ProcessState.ExitCode(), errors.String())
	}
}

// ends has the process end by a signal.
func (p *process) ends(status int, by syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(by); err != nil {
		p.t.Fatal(err)
	}
	p.drain()
	_ = p.cmd.Wait() // the status is looked at
	p.ended = true
	if got := p.cmd.ProcessState.ExitCode(); got != status {
		p.t.Errorf("it ends with %d: %s", got, p.errors.String())
	}
}
