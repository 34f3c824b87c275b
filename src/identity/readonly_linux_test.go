package identity

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"
)

// makeReadOnly keeps this goroutine from changing a directory. To root, modes mean
// nothing: it gets a mount of its own, in a thread that ends with the goroutine.
func makeReadOnly(t *testing.T, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		must(t, os.Chmod(dir, 0o500))
		t.Cleanup(func() { _ = os.Chmod(dir, 0o700) }) // so that it can be removed
		return
	}
	runtime.LockOSThread()
	if err := syscall.Unshare(syscall.CLONE_FS | syscall.CLONE_NEWNS); err != nil {
		t.Skipf("no mount namespace: %v", err)
	}
	must(t, syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""))
	must(t, syscall.Mount(dir, dir, "", syscall.MS_BIND, ""))
	must(t, syscall.Mount("", dir, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	t.Cleanup(func() { must(t, syscall.Unmount(dir, 0)) })
}

// TestReadOnly starts lives with an identity in a directory that cannot be changed.
func TestReadOnly(t *testing.T) {
	for _, test := range []struct {
		what    string
		prepare func(t *testing.T, dir string)
	}{
		{"read-only", makeReadOnly},
		{"without a lock", func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, "lock")))
			must(t, os.Mkdir(filepath.Join(dir, "lock"), 0o700))
		}},
	} {
		t.Run(test.what, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "identity")
			made, err := Open(dir)
			must(t, err)
			last, err := made.Incarnation(start)
			must(t, err)
			test.prepare(t, dir)
			i := load(t, dir)
			for _, want := range []uint64{last + 1, last + 2} { // though the clock has not gone on
				next, err := i.Incarnation(start)
				if next != want || err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "writable") {
					t.Errorf("incarnation %d, %v, want %d and what to do", next, err, want)
				}
			}
			if err := i.Forget("ana"); err == nil || !strings.Contains(err.Error(), "writable") {
				t.Errorf("a change: %v, want what to do", err)
			}
		})
	}
}

// TestRollReadOnly has a member whose directory cannot be changed go by a roll that it is shown
// until it ends, and say so.
func TestRollReadOnly(t *testing.T) {
	n, err := OpenNetwork(t.TempDir())
	must(t, err)
	invite, err := n.Invite("ana", "", uuid.Nil, 1)
	must(t, err)
	who, err := JoinAt(t.TempDir(), invite)
	must(t, err)
	text, err := n.Roll()
	must(t, err)
	r, err := RollIn(text)
	must(t, err)
	makeReadOnly(t, who.Directory())
	if taken, err := who.Take(r); !taken || !readOnly(err) || who.Roll() != r {
		t.Errorf("taken: %v, %v", taken, err)
	}
	if taken, err := who.Take(r); taken || err != nil {
		t.Errorf("again: %v, %v", taken, err)
	}
}

// TestServersReadOnly has a member whose directory cannot be changed go by the addresses that it
// is brought until it ends, and say so.
func TestServersReadOnly(t *testing.T) {
	n, _, who := serving(t, publicOne+"#"+Base64(newSeed()))
	before := list(t, who)
	must(t, n.Revoke(gone))
	makeReadOnly(t, who.Directory())
	if taken, err := who.Take(latest(t, n)); !taken || !readOnly(err) {
		t.Fatalf("%v, %v", taken, err)
	}
	if err := who.TakeServers(before); !errors.Is(err, ErrForged) {
		t.Errorf("what the roll does not vouch for: %v", err)
	}
	if err := who.TakeServers(list(t, n)); !readOnly(err) {
		t.Errorf("it says %v", err)
	}
	if got, lacks, err := who.Listed(); !slices.Equal(got, list(t, n)) || lacks || err != nil {
		t.Errorf("it has %v, %v, %v", got, lacks, err)
	}
	if again := load(t, who.Directory()); !slices.Equal(list(t, again), before) {
		t.Errorf("another time it has %v", list(t, again))
	}
}
