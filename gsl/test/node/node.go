// Package node is the engine beneath the binding that the generator prints for
// its test models: it notes how it was called.
package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/gsl/test/tiny/go/api"
)

// ErrClosed is how every failure here looks.
var ErrClosed = errors.New("closed")

// Box notes its calls in Calls, and fails if it is Closed.
type Box struct {
	api.BoxSettings
	Name   string
	Calls  []string
	Closed bool
	watch  func(string)
}

// Made is the box that New made last.
var Made *Box

// New fails if the name is "closed".
func New(name string) (*Box, error) {
	if name == "closed" {
		return nil, ErrClosed
	}
	Made = &Box{BoxSettings: api.DefaultBoxSettings(), Name: name}
	return Made, nil
}

func (b *Box) note(format string, arguments ...any) error {
	call := fmt.Sprintf(format, arguments...)
	b.Calls = append(b.Calls, call)
	if b.watch != nil {
		b.watch(call)
	}
	if b.Closed {
		return ErrClosed
	}
	return nil
}

// Close notes the call.
func (b *Box) Close() error { return b.note("Close") }

// Watch passes later calls on to watcher.
func (b *Box) Watch(watcher func(string)) { b.watch = watcher }

// SetWait notes the call.
func (b *Box) SetWait(interval time.Duration) error { return b.note("SetWait %v", interval) }

// Label notes the call.
func (b *Box) Label(name, value string) error { return b.note("Label %s %s", name, value) }

// Paint notes the call.
func (b *Box) Paint(colour string) error { return b.note("Paint %s", colour) }

// Dry notes the call.
func (b *Box) Dry(colour string) error { return b.note("Dry %s", colour) }

// Shake notes the call.
func (b *Box) Shake() { _ = b.note("Shake") }

// Put notes the call and returns 42.
func (b *Box) Put(ctx context.Context, owner uuid.UUID, content [][]byte, count, room int, fragile bool, colour uint16) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return 42, b.note("Put %v %q %d %d %v %d", owner, content, count, room, fragile, colour)
}

// Lid returns a lid, or none if the box is closed.
func (b *Box) Lid(context.Context) (*Lid, error) {
	if err := b.note("Lid"); err != nil {
		return nil, err
	}
	return &Lid{1}, nil
}

// LidsByName returns two lids.
func (b *Box) LidsByName(name string) []*Lid {
	_ = b.note("LidsByName %s", name)
	return []*Lid{{1}, {2}}
}

// SizeClass returns the largest.
func (b *Box) SizeClass() api.BoxSizeClass { return api.BoxSizeClassExtraLarge }

// Names returns two names.
func Names() ([]string, error) { return []string{"first", "second"}, nil }

// Lid has a number.
type Lid struct{ Number int }

// Made returns the number in seconds since 1970.
func (l *Lid) Made() time.Time { return time.Unix(int64(l.Number), 0).UTC() }

// UUID returns one that ends in the number.
func (l *Lid) UUID() uuid.UUID { return uuid.UUID{15: byte(l.Number)} }

// Labels returns the number by name.
func (l *Lid) Labels() map[string]string { return map[string]string{"number": fmt.Sprint(l.Number)} }

// Next returns the lid with the next number.
func (l *Lid) Next() *Lid { return &Lid{l.Number + 1} }
