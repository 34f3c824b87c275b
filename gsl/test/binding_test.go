package generator_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/gsl/test/node"
	"github.com/sjohnr/at-once/gsl/test/tiny/go/api"
	"github.com/sjohnr/at-once/gsl/test/tiny/libtiny"
	"github.com/sjohnr/at-once/src/check"
)

func box(t *testing.T) (*libtiny.Box, *node.Box) {
	t.Helper()
	b, err := libtiny.NewBox("box")
	if err != nil {
		t.Fatal(err)
	}
	return b, node.Made
}

func TestCallsReachTheEngine(t *testing.T) {
	b, engine := box(t)
	var watched []string
	b.Watch(func(what string) { watched = append(watched, what) })
	if err := b.SetWait(20 * time.Millisecond); err != nil {
		t.Error(err)
	}
	b.Shake()
	owner := uuid.UUID{15: 7}
	if n, err := b.Put(t.Context(), owner, [][]byte{[]byte("a"), nil}, 3, 9, true, 5); n != 42 || err != nil {
		t.Errorf("Put: %d, %v", n, err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	want := []string{"SetWait 20ms", "Shake", `Put 00000000-0000-0000-0000-000000000007 ["a" ""] 3 9 true 5`, "Close"}
	if !reflect.DeepEqual(engine.Calls, want) || !reflect.DeepEqual(watched, want) {
		t.Errorf("calls %q, watched %q\nwant %q", engine.Calls, watched, want)
	}
}

func TestResults(t *testing.T) {
	b, _ := box(t)
	lid, err := b.Lid(t.Context())
	if err != nil || lid.UUID() != (uuid.UUID{15: 1}) || lid.Made() != time.Unix(1, 0).UTC() || lid.Labels()["number"] != "1" {
		t.Errorf("Lid: %v, %v, %v, %v", lid.UUID(), lid.Made(), lid.Labels(), err)
	}
	if lids := b.LidsByName("all"); len(lids) != 2 || lids[1].UUID() != lids[0].Next().UUID() {
		t.Errorf("LidsByName: %v", lids)
	}
	if size := b.SizeClass(); size != libtiny.BoxSizeClassExtraLarge || uint8(size) != 9 || size.String() != "extra large" {
		t.Errorf("SizeClass: %d, %v", size, size)
	}
	if names, err := libtiny.BoxNames(); len(names) != 2 || err != nil {
		t.Errorf("BoxNames: %q, %v", names, err)
	}
	if libtiny.Version != "1.10.0" {
		t.Errorf("Version: %s", libtiny.Version)
	}
}

func TestFailuresOfTheEngine(t *testing.T) {
	if b, err := libtiny.NewBox("closed"); b != nil || !errors.Is(err, node.ErrClosed) {
		t.Errorf("NewBox: %v, %v", b, err)
	}
	b, engine := box(t)
	engine.Closed = true
	if err := b.SetWait(10 * time.Millisecond); !errors.Is(err, node.ErrClosed) {
		t.Errorf("SetWait: %v", err)
	}
	if lid, err := b.Lid(t.Context()); lid != (libtiny.Lid{}) || !errors.Is(err, node.ErrClosed) {
		t.Errorf("Lid: %v, %v", lid, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Put(ctx, uuid.Nil, [][]byte{nil}, 1, 1, false, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("Put: %v", err)
	}
}

// Settings that are only kept have their defaults, and change until they are fixed.
func TestSettings(t *testing.T) {
	b, engine := box(t)
	if engine.Closing != 30*time.Millisecond || engine.Room != 0 || engine.Wait != 15*time.Millisecond || api.DefaultBoxRoom != 65537 {
		t.Errorf("defaults: %v, %d, %v, %d", engine.Closing, engine.Room, engine.Wait, api.DefaultBoxRoom)
	}
	fault := errors.New("it breaks")
	if err := engine.Fix(func() error { return fault }); err != fault {
		t.Errorf("Fix: %v", err)
	}
	if err := errors.Join(b.SetClosing(10*time.Millisecond), b.SetRoom(2048), engine.Fix(func() error { return nil })); err != nil {
		t.Error(err)
	}
	for _, err := range []error{b.SetClosing(20 * time.Millisecond), b.SetRoom(4096), engine.Fix(func() error { return nil })} {
		if !errors.Is(err, api.ErrStarted) {
			t.Errorf("after Fix: %v", err)
		}
	}
	if engine.Closing != 10*time.Millisecond || engine.Room != 2048 {
		t.Errorf("set: %v, %d", engine.Closing, engine.Room)
	}
}

// Arguments out of their limits do not reach the engine.
func TestLimitsOfArguments(t *testing.T) {
	b, engine := box(t)
	one := [][]byte{nil}
	put := func(content [][]byte, count, room int) error {
		_, err := b.Put(t.Context(), uuid.Nil, content, count, room, false, 0)
		return err
	}
	create := func(name string) error {
		_, err := libtiny.NewBox(name)
		return err
	}
	for _, test := range []struct {
		argument string
		err      error
	}{
		{"name", create("")},
		{"name", create("123456789")},
		{"interval", b.SetWait(10*time.Millisecond - 1)},
		{"interval", b.SetWait(20*time.Millisecond + 1)},
		{"content", put(nil, 1, 1)},
		{"content", put([][]byte{nil, nil, nil}, 1, 1)},
		{"count", put(one, 0, 1)},
		{"room", put(one, 1, 0)},
		{"room", put(one, 1, 10)},
	} {
		var fault *check.Error
		if !errors.As(test.err, &fault) || !errors.Is(test.err, check.ErrArgument) || fault.Argument != test.argument {
			t.Errorf("%s: %v", test.argument, test.err)
		}
	}
	if lids := b.LidsByName("123456789"); lids != nil {
		t.Errorf("LidsByName: %v", lids)
	}
	if engine.Calls != nil {
		t.Errorf("reached the engine: %q", engine.Calls)
	}
}
