package control

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestSocketIsTheUsers looks at the mode of the socket, and has another user connect to one
// that is open to all.
func TestSocketIsTheUsers(t *testing.T) {
	s := newStage(t)
	path := filepath.Join(s.dir, socketName)
	if info, err := os.Stat(path); err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Fatalf("the socket is %v, %v", info.Mode(), err)
	}
	if os.Getuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	stranger := func() string {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = []string{"CONNECT_TO=" + path}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		said, _ := cmd.Output()
		return string(said)
	}
	for dir := s.dir; dir != "/"; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.Mode()&0o005 != 0o005 && dir != os.TempDir() {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	if said := stranger(); !strings.Contains(said, "permission denied") {
		t.Errorf("another user connects: %s", said)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if said := stranger(); said != "EOF" || s.counted("control connections of other users") != 1 {
		t.Errorf("another user who may connect is told %q", said)
	}
}
