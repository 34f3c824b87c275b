package serve

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sjohnr/at-once/generated/go/api"
)

// TestClass: a server as the model has it is set, runs, takes other options while it does,
// and ends.
func TestClass(t *testing.T) {
	s, err := New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Status(); !errors.Is(err, api.ErrNotRunning) || s.Address() != "" {
		t.Errorf("before it runs: %v", err)
	}
	file := filepath.Join(t.TempDir(), "conf")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.Read(file); err != nil {
			t.Fatal(err)
		}
	}
	write("max-peers = 3\nlisten = tcp://10.255.255.1:1\n")
	if err := errors.Join(s.Set("listen", "tcp://127.0.0.1:*"), s.Start(t.Context())); err != nil {
		t.Fatal(err) // what is set counts before what the file says
	}
	if err := s.Start(t.Context()); !errors.Is(err, api.ErrStarted) {
		t.Errorf("started twice: %v", err)
	}
	if err := s.Set("max-peers", "many"); !errors.Is(err, api.ErrArgument) {
		t.Error(err)
	}
	network, err := s.Network()
	if err != nil || !strings.HasPrefix(network, s.Address()+"#") {
		t.Errorf("%s: %v", network, err)
	}
	await := join(t, network, nil)
	await(well)
	write("max-peers = 4\nwss = tcp://127.0.0.1:*\n")
	if later, err := s.Reload(); err != nil || later != "wss" {
		t.Errorf("later: %s, %v", later, err)
	}
	if text, err := s.Status(); err != nil || !strings.Contains(text, `"reloads":1`) || !strings.Contains(text, `"peers":1`) {
		t.Errorf("%s: %v", text, err)
	}
	if err := s.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	s.Stop()
	if _, err := s.Network(); !errors.Is(err, api.ErrNotRunning) {
		t.Error(err)
	}
}
