package identity

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestHold has one node at a time run with an identity.
func TestHold(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "identity")
	one, err := Open(dir)
	must(t, err)
	two := load(t, dir)
	must(t, one.Hold())
	wants(t, one.Hold(), ErrInUse)
	err = two.Hold()
	wants(t, err, ErrInUse)
	host, _ := os.Hostname()
	for _, want := range []string{dir, fmt.Sprintf("process %d on %s:", os.Getpid(), host), "stop that one"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	_, err = load(t, dir).Incarnation(start) // others may read and change what is there
	must(t, err)
	one.Release()
	one.Release()
	must(t, two.Hold())
	wants(t, one.Hold(), ErrInUse)
	two.Release()

	memory, err := New()
	must(t, err)
	must(t, memory.Hold())
	wants(t, memory.Hold(), ErrInUse)
	memory.Release()
	must(t, memory.Hold())
}

// TestHoldOfWhatHasNoLock takes an identity in a directory that cannot tell of it.
func TestHoldOfWhatHasNoLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "identity")
	one, err := Open(dir)
	must(t, err)
	must(t, os.Mkdir(filepath.Join(dir, fileHolder), 0o700))
	if err := one.Hold(); err == nil || errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), fileHolder) {
		t.Errorf("it is held: %v", err)
	}
	wants(t, one.Hold(), ErrInUse)
	one.Release()
}

// TestBelongWhileANodeStarts has a membership read, by who has the directory's lock, while the
// start of a node waits for that: neither waits for the other.
func TestBelongWhileANodeStarts(t *testing.T) {
	own := member(t, newNetwork(t), "ana")
	over := make(chan error)
	must(t, own.dir.locked(func() error {
		go func() {
			_, err := own.Incarnation(start)
			over <- err
		}()
		for own.mu.TryLock() { // until it has begun
			own.mu.Unlock()
			runtime.Gosched()
		}
		return own.belong()
	}))
	must(t, <-over)
}
