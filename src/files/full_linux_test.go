package files

import (
	"context"
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/sjohnr/at-once/generated/go/api"
)

// TestFull fills the receiver's disk, and goes on when there is room.
func TestFull(t *testing.T) {
	content := random(4 << 20)
	source, into := write(t, map[string]string{"file": content}), t.TempDir()
	if err := syscall.Mount("files", into, "tmpfs", 0, "size=2m"); errors.Is(err, syscall.EPERM) {
		t.Skip("only root can make a disk that is full")
	} else if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Unmount(into, 0); err != nil {
			t.Error(err)
		}
	}()
	for _, want := range []error{api.ErrNoRoom, nil} {
		bubble(t, func(t *testing.T, ctx context.Context, from, to *side) {
			sent := from.send(ctx, t, filepath.Join(source, "file"))
			expect(t, "receive", to.receive(ctx, t, into, false), want)
			expect(t, "send", <-sent, want)
		})
		if err := syscall.Mount("files", into, "tmpfs", syscall.MS_REMOUNT, "size=8m"); err != nil {
			t.Fatal(err)
		}
	}
	same(t, read(t, into), map[string]string{"file": content})
}
