package seal

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sjohnr/at-once/src/identity"
)

var (
	challenge = []byte("sixteen octets..")
	issued    = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// newIdentity returns one that has a card.
func newIdentity(t testing.TB) *identity.Identity {
	i := must(identity.New())(t)
	must(i.Issue(1, issued))(t)
	return i
}

// pair is a session between two identities.
type pair struct {
	alice, bob *identity.Identity
	open       []byte
	sender     *Sender
	receiver   *Receiver
}

func newPair(t testing.TB) *pair {
	p := &pair{alice: newIdentity(t), bob: newIdentity(t)}
	p.sender, p.open = p.opening(t, 7)
	p.receiver = must(p.accept(p.open))(t)
	return p
}

func (p *pair) opening(t testing.TB, number uint64) (*Sender, []byte) {
	t.Helper()
	s, open, err := Open(p.alice, p.alice.Card(), p.bob.Card(), challenge, number)
	if err != nil {
		t.Fatal(err)
	}
	return s, open
}

func (p *pair) accept(open []byte) (*Receiver, error) {
	r, number, err := Accept(p.bob, p.alice.Card(), challenge, 6, open)
	if err == nil && number != 7 {
		err = fmt.Errorf("number %d", number)
	}
	return r, err
}

// say seals texts, each a frame.
func (p *pair) say(texts ...string) []byte { return p.sender.Append(nil, frames(texts...)) }

// hear opens a copy of a frame and returns its texts with bars between them.
func hear(open func(frame []byte, frames [][]byte) ([][]byte, error), frame []byte) (string, error) {
	content, err := open(bytes.Clone(frame), nil)
	return string(bytes.Join(content, []byte("|"))), err
}

// content is Open for what is not a KEY.
func (r *Receiver) content(frame []byte, frames [][]byte) ([][]byte, error) {
	frames, key, err := r.Open(frame, frames)
	if key != nil {
		err = fmt.Errorf("a key: %v", key)
	}
	return frames, err
}

func frames(texts ...string) [][]byte {
	content := make([][]byte, len(texts))
	for i, text := range texts {
		content[i] = []byte(text)
	}
	return content
}

// contents are what can be said.
func contents() [][][]byte {
	return [][][]byte{
		frames(""), frames("a"), frames("", "", ""), frames("a", "", strings.Repeat("b", 300), "c"),
		frames(strings.Repeat("c", 64<<10)), make([][]byte, 65536), slices.Repeat(frames("xyz"), 1000),
	}
}

func same(a, b [][]byte) bool { return slices.EqualFunc(a, b, bytes.Equal) }

// oneOf tells whether an error is one of a kind that hostile octets may give.
func oneOf(err error, kinds ...error) bool {
	return slices.ContainsFunc(kinds, func(kind error) bool { return errors.Is(err, kind) })
}

// tampered yields every prefix of a frame, the frame with an octet more, and with
// each of its bits flipped.
func tampered(frame []byte) func(yield func(string, []byte) bool) {
	return func(yield func(string, []byte) bool) {
		for n := range frame {
			if !yield(fmt.Sprintf("%d octets", n), bytes.Clone(frame[:n])) {
				return
			}
		}
		if !yield("an octet more", append(bytes.Clone(frame), 0)) {
			return
		}
		for bit := range 8 * len(frame) {
			b := bytes.Clone(frame)
			b[bit/8] ^= 1 << (bit % 8)
			if !yield(fmt.Sprintf("bit %d flipped", bit), b) {
				return
			}
		}
	}
}
