package files

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncefiles"
	"github.com/sjohnr/at-once/src/check"
)

// Transfer is files on their way from one node to another.
type Transfer struct {
	key
	files  *Files
	title  string
	count  int
	octets uint64
	tree
	incoming bool // the other side has offered it
	done     atomic.Uint64
	words    chan []byte // what the other side says; closed when it is gone
	runs     bool        // it is sent or received, or was, and does not only wait; guarded by files.mu
	sends    bool        // it is sent now; so, too
}

// What transfers methods are for.
const (
	toSend    = "one that Offer has returned"
	toReceive = "one that NextOffer has returned, and that was not received or refused yet"
	maxPath   = 4096
)

func newNumber() uint64 {
	var number [8]byte
	rand.Read(number[:]) // never fails
	return binary.BigEndian.Uint64(number[:])
}

// Peer returns the id of the other side.
func (t *Transfer) Peer() uuid.UUID { return t.peer }

// Title returns what the sender calls the files.
func (t *Transfer) Title() string { return t.title }

// Files returns how many files and folders there are.
func (t *Transfer) Files() int { return t.count }

// Octets returns the octets of all files together.
func (t *Transfer) Octets() uint64 { return t.octets }

// OctetsDone returns how many octets the receiver has asked for, at the sender, or has
// written.
func (t *Transfer) OctetsDone() uint64 { return min(t.done.Load(), t.octets) }

// Times of the protocol, and how long telling the other side of the end may take.
const (
	quiet    = oncefiles.MaxQuiet * time.Millisecond
	silence  = oncefiles.MaxSilence * time.Millisecond
	answer   = oncefiles.MaxAnswer * time.Millisecond
	farewell = time.Second
)

// errQuiet is why hear returns without a word.
var errQuiet = errors.New("quiet")

// hear waits for a word of the other side. Its end is one if all is done, or else an error.
func (t *Transfer) hear(ctx context.Context, wait time.Duration) (oncefiles.Message, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, wait, errQuiet)
	defer cancel()
	var frame []byte
	select {
	case frame = <-t.words:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if frame == nil {
		return nil, api.ErrGone
	}
	m, err := oncefiles.Parse(frame, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", api.ErrBroken, err)
	}
	if end, ok := m.(*oncefiles.End); ok && end.Verdict != complete {
		known := verdicts[min(int(end.Verdict), len(verdicts)-1)]
		if known = cmp.Or(known, api.ErrBroken); end.Reason == "" {
			return nil, known
		}
		return nil, fmt.Errorf("%w: %s", known, end.Reason)
	}
	return m, nil
}

// say tells the other side something. A peer that is not present is gone.
func (t *Transfer) say(ctx context.Context, m oncefiles.Message) error {
	frame, err := m.AppendTo(nil)
	if err == nil {
		err = t.files.node.Whisper(ctx, t.peer, [][]byte{frame})
	}
	if errors.Is(err, api.ErrNoPeer) {
		return api.ErrGone
	}
	return err
}

// verdicts are the errors that the two sides tell each other, by their numbers.
var verdicts = []error{
	2: api.ErrDeclined, 3: api.ErrNoRoom, 4: api.ErrOccupied, 5: api.ErrBadName,
	6: api.ErrChanged, 7: api.ErrStalled, 8: api.ErrBroken, 9: api.ErrAbandoned,
}

// complete is the verdict on a transfer that is done, given up that on one that ends for no
// reason that has a verdict of its own.
const (
	complete = 1
	givenUp  = 9
)

// short returns the most of a text that a reason or a title has room for.
func short(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), oncefiles.MaxEndReason)], "")
}

// leave ends a transfer, and tells the other side why. Nobody waits long for that: who
// is not told finds out by the silence.
func (t *Transfer) leave(err error) error {
	if err != nil && !errors.Is(err, api.ErrGone) {
		ctx, cancel := context.WithTimeout(context.Background(), farewell)
		defer cancel()
		if t.end(ctx, err) != nil {
			t.files.count("untold")
		}
	}
	t.files.mu.Lock()
	defer t.files.mu.Unlock()
	if t.sends = false; t.files.transfers[t.key] == t {
		delete(t.files.transfers, t.key)
	}
	return err
}

// end tells the other side of the end.
func (t *Transfer) end(ctx context.Context, err error) error {
	m := &oncefiles.End{Transfer: t.number, Verdict: complete}
	if err != nil {
		m.Verdict, m.Reason = givenUp, err.Error()
	}
	for number, known := range verdicts {
		if known != nil && errors.Is(err, known) {
			m.Verdict, m.Reason = uint8(number), strings.TrimPrefix(strings.TrimPrefix(m.Reason, known.Error()), ": ")
		}
	}
	if errors.Is(err, context.Canceled) {
		m.Reason = ""
	}
	m.Reason = short(m.Reason)
	return t.say(ctx, m)
}

// take begins to receive or to refuse the transfer, which happens once.
func (t *Transfer) take(method string) error {
	t.files.mu.Lock()
	defer t.files.mu.Unlock()
	if err := check.Given(method, "transfer", t.incoming && !t.runs, toReceive); err != nil {
		return err
	}
	t.runs = true
	return nil
}

// Refuse refuses the files. A peer that takes nothing is not waited for: others have offers.
func (t *Transfer) Refuse(ctx context.Context, reason string) error {
	if err := check.Context("Refuse", ctx); err != nil {
		return err
	}
	if err := t.take("Refuse"); err != nil {
		return err
	}
	defer t.leave(nil)
	ctx, cancel := context.WithTimeout(ctx, farewell)
	defer cancel()
	return t.end(ctx, fmt.Errorf("%w: %s", api.ErrDeclined, reason))
}
