package zre

import (
	"fmt"
	"time"

	"github.com/sjohnr/at-once/src/identity"
)

// Badge is what a peer has shown of itself and was found to be right. It does not
// change.
type Badge struct {
	Card      *identity.Card  // nil if it has none
	Token     *identity.Token // the latest; nil if it is no member of our network
	Moves     []byte          // that led the network of the token to its key
	Key       *[32]byte       // of CURVE, that the connection has proved; nil without
	Challenge []byte          // what sessions to the peer have to answer
	Proved    time.Time       // when the card was shown with a proof that is new, by our clock; zero if its times have to tell
	Roll      identity.Rank   // of the roll of our network that the token was judged by; zero without
	Greeting  uint64          // number of the greeting that showed this, higher with each; 0 if it is not signed
}

// repeats tells whether the greeting that shows a badge is one of before: somebody who
// has overheard it says it again.
func (b *Badge) repeats(last *Badge) bool {
	return b != nil && b.Greeting > 0 && last != nil && b.Greeting <= last.Greeting
}

// Valid returns an error if the card of a badge counts no longer: a peer has to show a
// new one. One that was proved to be new counts for its lifetime from then on, whatever
// the clock of either side shows; setting ours does not matter, because the time that has
// passed is measured apart from it. Of any other its times have to tell.
func (b *Badge) Valid(now time.Time) error {
	switch {
	case b.Card == nil:
		return nil
	case b.Proved.IsZero():
		return b.Card.Valid(now)
	case now.Sub(b.Proved) >= b.Card.Lifetime():
		return fmt.Errorf("%w: it has shown no new card for %v", identity.ErrExpired, now.Sub(b.Proved).Round(time.Second))
	}
	return nil
}

// Seals tells whether content between the peer and the node is sealed: the peer
// has a card, and the connection is not encrypted.
func (b *Badge) Seals() bool { return b.Card != nil && b.Key == nil }
