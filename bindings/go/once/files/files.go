// Package files sends files and folders to peers, and receives them.
//
// Who wants to receive says so, by giving what its node hears to a [Files]; to all others
// what is offered are whispers as any. The program keeps all other events:
//
//	f := files.New(node)
//	go receive(ctx, f)
//	for event := range f.Events(ctx) { // as node.Events, without what belongs to files
//		...
//	}
//
//	func receive(ctx context.Context, f *files.Files) error {
//		for {
//			offer, err := f.NextOffer(ctx)
//			if err != nil {
//				return err
//			}
//			fmt.Println(offer.Peer(), "offers", offer.Title(), "of", offer.Octets(), "octets")
//			err = offer.Receive(ctx, "Downloads", false)
//			...
//		}
//	}
//
// [Send] and [Receive] are for programs that have nothing else to do with a node.
//
// A transfer that returns nil is complete: all is on the receiver's disk, and the SHA-256 of
// each MiB of it is that of what was sent. What stops a transfer, on either side, is an error of this package,
// of the context, or of a disk. Then what has arrived stays where it is, as files whose names
// end in .once-partial, and the same files sent again, by whomever, go on from there.
// Connections that break on the way cost time only; that a peer is gone is [ErrGone].
//
// Contents of more than 64 KiB that are no files are better sent like this too, or in parts:
// one large message holds up all that is said to the peer after it. A transfer keeps little
// under way, so that a whisper beside it arrives soon.
package files

import (
	"context"
	"errors"
	"iter"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/libonce"
	"github.com/sjohnr/at-once/bindings/go/once"
	"github.com/sjohnr/at-once/src/check"
	"github.com/sjohnr/at-once/src/files"
)

// Errors of transfers, wrapped or not; they work with errors.Is. The other side's texts
// are in them, which are to be shown with care.
var (
	ErrDeclined     = libonce.ErrDeclined     // the receiver does not take the files
	ErrUnanswered   = libonce.ErrUnanswered   // nobody has taken or refused the offer
	ErrNoRoom       = libonce.ErrNoRoom       // the receiver's disk is full
	ErrOccupied     = libonce.ErrOccupied     // another file has the name
	ErrBadName      = libonce.ErrBadName      // a name that is not taken
	ErrChanged      = libonce.ErrChanged      // a file has changed while it was sent
	ErrGone         = libonce.ErrGone         // the other side is gone
	ErrStalled      = libonce.ErrStalled      // the other side was silent for too long
	ErrBroken       = libonce.ErrBroken       // the other side breaks the protocol
	ErrAbandoned    = libonce.ErrAbandoned    // the other side has given up
	ErrTooManyFiles = libonce.ErrTooManyFiles // more than a transfer takes
)

// Header is the name of a header by which a node may say that it takes files, as that of
// once receive does; its value is for people. Who does not have it may take them too.
const Header = "ONCE-FILES"

// Files are the transfers of a node. All methods may be called from any goroutine. One that
// is nil or zero has none: its methods return zero values, or [once.ErrNothing] if they can
// fail.
type Files struct {
	engine *files.Files
	node   *once.Node
}

// New begins to send and receive files for a node. Nothing happens unless it is told the
// node's events.
func New(node *once.Node) *Files {
	engine, _ := files.New(whisperer{node}) // never fails
	return &Files{engine, node}
}

func (f *Files) isNothing() bool { return f == nil || f.engine == nil }

// whisperer is the node as the engine wants it.
type whisperer struct{ node *once.Node }

func (w whisperer) Whisper(ctx context.Context, peer uuid.UUID, content [][]byte) error {
	return w.node.Whisper(ctx, peer, content...)
}

// Take takes an event of the node, and returns whether it belongs to files alone. It does
// not wait.
func (f *Files) Take(event once.Event) bool {
	if f.isNothing() {
		return false
	}
	switch e := event.(type) {
	case *once.Whisper:
		return f.engine.Take(e.Peer.UUID(), e.Content)
	case *once.Exit:
		f.engine.Gone(e.Peer.UUID())
	}
	return false
}

// Offer returns a transfer to a peer, which need not be present yet: add files to it, and
// send them.
func (f *Files) Offer(peer uuid.UUID) *Transfer {
	if f.isNothing() {
		return new(Transfer)
	}
	return &Transfer{f.engine.Offer(peer)}
}

// NextOffer waits until a peer offers files, and returns the transfer: receive them, or
// refuse them. It fails with ctx's error, or with [once.ErrStopped] when the node has
// stopped. Up to 64 offers wait, those of peers that are gone do not.
func (f *Files) NextOffer(ctx context.Context) (*Transfer, error) {
	if f.isNothing() {
		return nil, once.ErrNothing
	}
	if err := check.Context("NextOffer", ctx); err != nil {
		return nil, limits(err)
	}
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-f.node.Done():
			stop()
		case <-waiting.Done():
		}
	}()
	t, err := f.engine.NextOffer(waiting)
	switch {
	case err == nil:
		return &Transfer{t}, nil
	case ctx.Err() == nil: // the node has stopped, or never ran
		_, err = f.node.Snapshot()
	}
	return nil, err
}

// limits returns an error of the engine as one of package once.
func limits(err error) error {
	var told *check.Error
	if errors.As(err, &told) {
		return (*once.LimitError)(told)
	}
	return err
}

// Counts returns how often something unusual was seen, by name: messages that were
// malformed, that nobody has asked for, or that came too fast, and what had to be asked for
// anew. The names may change.
func (f *Files) Counts() map[string]uint64 {
	if f.isNothing() {
		return nil
	}
	return f.engine.Counts()
}

// Is tells whether an event belongs to files alone: a program that takes none may want not
// to show it, where another program that shares its node does take them.
func Is(event once.Event) bool {
	w, ok := event.(*once.Whisper)
	return ok && len(w.Content) == 1 && files.Is(w.Content[0])
}

// Events returns the node's events from now on, without those that belong to files alone,
// until ctx ends or the node has stopped.
func (f *Files) Events(ctx context.Context) iter.Seq[once.Event] {
	return func(yield func(once.Event) bool) {
		if f.isNothing() {
			return
		}
		for event := range f.node.Events(ctx) {
			if !f.Take(event) && !yield(event) {
				return
			}
		}
	}
}

// Transfer is files on their way from one node to another. Who sends adds files and sends
// them, and again if that fails; who receives them receives or refuses them, once. The other
// methods may be called meanwhile, from any goroutine. One that is nil or zero is none: its
// methods return zero values, or [once.ErrNothing] if they can fail.
type Transfer struct{ engine *files.Transfer }

// nothing is what a transfer that is nil or zero looks like.
var nothing = new(files.Transfer)

func (t *Transfer) isNothing() bool { return t == nil || t.engine == nil }

// known returns what there is to know of a transfer.
func (t *Transfer) known() *files.Transfer {
	if t.isNothing() {
		return nothing
	}
	return t.engine
}

// unless does what can fail, unless there is nothing to do it with.
func (t *Transfer) unless(do func(*files.Transfer) error) error {
	if t.isNothing() {
		return once.ErrNothing
	}
	return limits(do(t.engine))
}

// Add adds a file, or a folder with all that is in it, to what is sent. Links and special
// files in a folder are left out; a link that is named stands for what it leads to. It fails
// with [ErrBadName] or [ErrTooManyFiles], with [once.ErrArgument] if the path is empty or the
// transfer was offered by a peer, or if something cannot be read.
func (t *Transfer) Add(path string) error {
	return t.unless(func(t *files.Transfer) error { return t.Add(path) })
}

// LeftOut returns the paths that Add has left out.
func (t *Transfer) LeftOut() []string { return t.known().LeftOut() }

// Send offers what was added, for two minutes if nobody answers, and sends it when the peer
// takes it. It returns nil when all is on the peer's disk, and verified. It fails with
// [ErrDeclined], [ErrUnanswered] and the other errors of this package, with ctx's, or with
// that of the disk.
func (t *Transfer) Send(ctx context.Context) error {
	return t.unless(func(t *files.Transfer) error { return t.Send(ctx) })
}

// Receive takes the files, and puts them into a folder, which is made if it is missing, and
// never anywhere else. A file that is there already and is the same is left as it is; one
// that differs is [ErrOccupied], unless it is to be overwritten. It returns nil when all is
// on the disk, and verified. It fails with the errors of this package, with ctx's, or with
// that of the disk.
func (t *Transfer) Receive(ctx context.Context, into string, overwrite bool) error {
	return t.unless(func(t *files.Transfer) error { return t.Receive(ctx, into, overwrite) })
}

// Refuse refuses the files. The reason is for people, and has at most 255 octets. It fails
// if the peer cannot be told.
func (t *Transfer) Refuse(ctx context.Context, reason string) error {
	return t.unless(func(t *files.Transfer) error { return t.Refuse(ctx, reason) })
}

// Peer returns the UUID of the other side.
func (t *Transfer) Peer() uuid.UUID { return t.known().Peer() }

// Title returns what the sender calls the files: show it with care.
func (t *Transfer) Title() string { return t.known().Title() }

// Files returns how many files and folders there are.
func (t *Transfer) Files() int { return t.known().Files() }

// Octets returns the octets of all files together.
func (t *Transfer) Octets() uint64 { return t.known().Octets() }

// OctetsDone returns how many octets the receiver has asked for, at the sender, or has
// written. Those that it had before count.
func (t *Transfer) OctetsDone() uint64 { return t.known().OctetsDone() }

// Send sends files and folders to a peer that is present, and waits until it has them. It
// reads the node's events meanwhile, and fails as [Transfer.Add] and [Transfer.Send] do.
func Send(ctx context.Context, node *once.Node, peer uuid.UUID, paths ...string) error {
	f := New(node)
	t := f.Offer(peer)
	for _, path := range paths {
		if err := t.Add(path); err != nil {
			return err
		}
	}
	return f.while(ctx, t.Send)
}

// Receive takes the first offer that accept returns true for, and puts the files into a
// folder without overwriting any. It reads the node's events meanwhile, and fails as
// [Files.NextOffer] and [Transfer.Receive] do.
func Receive(ctx context.Context, node *once.Node, into string, accept func(*Transfer) bool) error {
	if err := check.Given("Receive", "accept", accept != nil, "a function"); err != nil {
		return limits(err)
	}
	f := New(node)
	return f.while(ctx, func(ctx context.Context) error {
		for {
			offer, err := f.NextOffer(ctx)
			if err != nil {
				return err
			}
			if accept(offer) {
				return offer.Receive(ctx, into, false)
			}
			if err := offer.Refuse(ctx, ""); ctx.Err() != nil {
				return err
			}
		}
	})
}

// while reads the node's events while something is done.
func (f *Files) while(ctx context.Context, do func(context.Context) error) error {
	if ctx == nil {
		return do(ctx) // which says so
	}
	reading, stop := context.WithCancel(ctx)
	read := make(chan struct{})
	go func() {
		defer close(read)
		for range f.Events(reading) {
		}
	}()
	err := do(ctx)
	stop()
	<-read
	return err
}
