package client

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncerecord"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/seal"
)

// TestAhead opens what somebody has sent ahead: once, if it answers the challenge of a record
// that counts, and is as it was sealed.
func TestAhead(t *testing.T) {
	node := func() *identity.Identity {
		own, err := identity.New()
		if err == nil {
			_, err = own.Issue(1, time.Now())
		}
		if err != nil {
			t.Fatal(err)
		}
		return own
	}
	ana, ben := node(), node()
	c := New(Config{Identity: ben})
	publish := func(octet byte) []byte {
		challenge := bytes.Repeat([]byte{octet}, oncerecord.MaxInsideChallenge)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.published.former, c.published.challenge = c.published.challenge, challenge
		return challenge
	}
	sealed := func(challenge []byte, number uint64) []byte {
		t.Helper()
		octets, err := rendezvous.SealAhead(ana, ben.Card(), challenge, number, make([]byte, 16), []byte("frames"))
		if err != nil {
			t.Fatal(err)
		}
		return octets
	}
	opens := func(from uuid.UUID, octets []byte, want error) {
		t.Helper()
		said, err := c.OpenAhead(from, octets)
		if !errors.Is(err, want) || want == nil && (string(said.Said) != "frames" || said.From.ID != ana.UUID()) {
			t.Errorf("%+v, %v; want %v", said, err, want)
		}
	}
	one := publish(1)
	first := sealed(one, 5)
	if bytes.Contains(first, []byte("frames")) || !bytes.Contains(first, ana.Card().Octets()) {
		t.Error("a server reads what was sealed, or the search finds nothing")
	}
	opens(ana.UUID(), first, nil)
	opens(ana.UUID(), first, ErrRepeated)
	opens(ana.UUID(), sealed(one, 4), ErrRepeated)
	opens(ana.UUID(), sealed(one, 6), nil)
	opens(ana.UUID(), sealed(bytes.Repeat([]byte{9}, len(one)), 7), seal.ErrForged)
	if _, err := c.OpenAhead(ben.UUID(), sealed(one, 7)); err == nil {
		t.Error("it is somebody else's")
	}
	for at := 0; at < len(first); at += 7 {
		forged := sealed(one, 8)
		forged[at] ^= 1
		if _, err := c.OpenAhead(ana.UUID(), forged); err == nil {
			t.Fatalf("octet %d may be another", at)
		}
		if _, err := c.OpenAhead(ana.UUID(), first[:at]); err == nil {
			t.Fatalf("%d octets are taken", at)
		}
	}
	two := publish(2)
	opens(ana.UUID(), sealed(two, 1), nil) // each challenge has its numbers
	opens(ana.UUID(), sealed(one, 9), nil)
	opens(ana.UUID(), sealed(one, 9), ErrRepeated)
	publish(3)
	opens(ana.UUID(), sealed(one, 10), seal.ErrForged)
	opens(ana.UUID(), sealed(two, 1), ErrRepeated)
	if len(c.repeats.latest) != 1 {
		t.Errorf("it remembers %d challenges", len(c.repeats.latest))
	}
	var other uuid.UUID
	for n := range uint64(oncerecord.MaxAheads) {
		binary.BigEndian.PutUint64(other[:], n+1)
		if err := c.repeats.first(c.Challenges, other, two, 1); (err == nil) != (n < oncerecord.MaxAheads-1) {
			t.Fatalf("of another, the %dth: %v", n, err)
		}
	}
	opens(ana.UUID(), sealed(two, 2), nil) // who is known is told apart
}
