// Package auction sells things among the nodes of a network. What is said, and what each side does
// about it, is in the models in api, from which the codec and the machines are printed; what
// stands here connects them with package once.
package auction

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/once"
	"github.com/sjohnr/at-once/examples/auction/generated/go/auctionmsg"
	"github.com/sjohnr/at-once/examples/auction/generated/go/biddermachine"
	"github.com/sjohnr/at-once/examples/auction/generated/go/sellermachine"
)

// Group is where auctions are. The nodes of sellers and bidders are in it.
const Group = "auction"

// Result is how an auction has ended: nobody is the winner if nobody has bid.
type Result struct {
	Winner uuid.UUID
	Price  uint32
}

// read decodes a message about a lot, or returns nil: others say other things.
func read(content [][]byte, lot string) auctionmsg.Message {
	if len(content) != 1 {
		return nil
	}
	id, err := auctionmsg.Peek(content[0])
	if err != nil {
		return nil
	}
	m := auctionmsg.New(id)
	if m.Decode(content[0], nil) != nil {
		return nil
	}
	switch m := m.(type) {
	case *auctionmsg.Lot:
		return mine(m, m.Lot, lot)
	case *auctionmsg.Bid:
		return mine(m, m.Lot, lot)
	case *auctionmsg.Price:
		return mine(m, m.Lot, lot)
	case *auctionmsg.Sold:
		return mine(m, m.Lot, lot)
	}
	return nil
}

func mine(m auctionmsg.Message, of, lot string) auctionmsg.Message {
	if of != lot {
		return nil
	}
	return m
}

// sale is an auction as its seller has it. It does what the machine asks for.
type sale struct {
	node   *once.Node
	lot    string
	result Result
	bid    uint32    // that is considered
	from   uuid.UUID // whose it is, or who has joined
	say    func(m auctionmsg.Message, to uuid.UUID)
}

// Sell offers a lot until nobody has bid more for as long as hammer, and returns who has it. The
// node's events are its own meanwhile.
func Sell(ctx context.Context, node *once.Node, lot string, least uint32, hammer time.Duration) (Result, error) {
	var failed error
	s := &sale{node: node, lot: lot, result: Result{Price: least}}
	s.say = func(m auctionmsg.Message, to uuid.UUID) { failed = errors.Join(failed, say(ctx, node, m, to)) }
	state, _ := sellermachine.Step(sellermachine.StateOffered, sellermachine.EventStart, s)
	for falls := time.Now().Add(hammer); !state.Final() && failed == nil; {
		event, err := next(ctx, node, falls)
		if err != nil {
			return s.result, err
		}
		step, ok := s.understand(event)
		if !ok {
			continue
		}
		if step == sellermachine.EventHigher {
			falls = time.Now().Add(hammer)
		}
		state, _ = sellermachine.Step(state, step, s)
	}
	if s.result.Winner == uuid.Nil {
		s.result.Price = 0
	}
	return s.result, failed
}

// next waits for an event, and returns nil when a time has come.
func next(ctx context.Context, node *once.Node, until time.Time) (once.Event, error) {
	wait, stop := context.WithDeadline(ctx, until)
	defer stop()
	event, err := node.Next(wait)
	if err != nil && ctx.Err() == nil && wait.Err() != nil {
		return nil, nil
	}
	return event, err
}

// understand returns what an event of the node is to the machine, if it is something.
func (s *sale) understand(event once.Event) (sellermachine.Event, bool) {
	switch e := event.(type) {
	case nil:
		return sellermachine.EventTimeout, true
	case *once.Join:
		s.from = e.Peer.UUID()
		return sellermachine.EventJoined, e.Group == Group
	case *once.Whisper:
		bid, ok := read(e.Content, s.lot).(*auctionmsg.Bid)
		if !ok {
			return 0, false
		}
		s.bid, s.from = bid.Amount, e.Peer.UUID()
		if s.bid >= s.least() {
			return sellermachine.EventHigher, true
		}
		return sellermachine.EventLower, true
	}
	return 0, false
}

// least is what the next bid is to be.
func (s *sale) least() uint32 {
	if s.result.Winner == uuid.Nil {
		return s.result.Price
	}
	return s.result.Price + 1
}

func (s *sale) SendLot() { s.say(&auctionmsg.Lot{Lot: s.lot, Least: s.least()}, uuid.Nil) }
func (s *sale) Greet()   { s.say(&auctionmsg.Lot{Lot: s.lot, Least: s.least()}, s.from) }
func (s *sale) Raise()   { s.result = Result{s.from, s.bid} }

func (s *sale) SendPrice() {
	s.say(&auctionmsg.Price{Lot: s.lot, Amount: s.result.Price, Leader: s.result.Winner}, uuid.Nil)
}

func (s *sale) SendSold() {
	s.say(&auctionmsg.Sold{Lot: s.lot, Amount: s.result.Price, Winner: s.result.Winner}, uuid.Nil)
}

// say whispers a message to a node, or shouts it to the group. Who has gone needs none.
func say(ctx context.Context, node *once.Node, m auctionmsg.Message, to uuid.UUID) error {
	frame, err := m.AppendTo(nil)
	if err != nil {
		return err
	}
	if to == uuid.Nil {
		_, err = node.Shout(ctx, Group, frame)
	} else {
		err = node.Whisper(ctx, to, frame)
	}
	if errors.Is(err, once.ErrNoPeer) {
		return nil
	}
	return err
}

// ErrGone is returned to bidders whose seller has left.
var ErrGone = errors.New("the seller has left")

// want is an auction as a bidder has it. It does what the machine asks for.
type want struct {
	lot         string
	least, most uint32
	seller      uuid.UUID
	willing     bool // to bid
	result      Result
	say         func(m auctionmsg.Message, to uuid.UUID)
}

// Bid bids for a lot, each time as little as it takes, and at most so much. It returns who has it.
// The node's events are its own meanwhile.
func Bid(ctx context.Context, node *once.Node, lot string, most uint32) (Result, error) {
	var failed error
	w := &want{lot: lot, most: most}
	w.say = func(m auctionmsg.Message, to uuid.UUID) { failed = errors.Join(failed, say(ctx, node, m, to)) }
	state := biddermachine.StateWaiting
	for !state.Final() && failed == nil {
		event, err := node.Next(ctx)
		if err != nil {
			return w.result, err
		}
		step, ok := w.understand(event, node.UUID())
		if !ok {
			continue
		}
		if step == biddermachine.EventGone {
			failed = ErrGone
		}
		state, _ = biddermachine.Step(state, step, w)
		if w.willing && state == biddermachine.StateWatching {
			state, _ = biddermachine.Step(state, biddermachine.EventWant, w)
		}
	}
	return w.result, failed
}

// understand returns what an event of the node is to the machine, if it is something.
func (w *want) understand(event once.Event, own uuid.UUID) (biddermachine.Event, bool) {
	switch e := event.(type) {
	case *once.Exit:
		return biddermachine.EventGone, e.Peer.UUID() == w.seller
	case *once.Whisper:
		return w.hear(e.Peer.UUID(), read(e.Content, w.lot), own)
	case *once.Shout:
		return w.hear(e.Peer.UUID(), read(e.Content, w.lot), own)
	}
	return 0, false
}

func (w *want) hear(from uuid.UUID, m auctionmsg.Message, own uuid.UUID) (biddermachine.Event, bool) {
	if w.seller != uuid.Nil && w.seller != from {
		return 0, false // another has a lot of that name, too
	}
	switch m := m.(type) {
	case *auctionmsg.Lot:
		w.seller, w.least = from, m.Least
		return biddermachine.EventLot, true
	case *auctionmsg.Price:
		w.least = m.Amount + 1
		if uuid.UUID(m.Leader) == own {
			return biddermachine.EventLead, true
		}
		return biddermachine.EventPrice, true
	case *auctionmsg.Sold:
		w.result = Result{m.Winner, m.Amount}
		return biddermachine.EventSold, true
	}
	return 0, false
}

func (w *want) Consider() { w.willing = w.least <= w.most }
func (w *want) SendBid()  { w.say(&auctionmsg.Bid{Lot: w.lot, Amount: w.least}, w.seller) }
