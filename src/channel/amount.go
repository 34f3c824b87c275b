package channel

import "sync/atomic"

// Amount is how much content: messages, and their octets as they are on the wire.
type Amount struct{ Messages, Octets uint64 }

func (a *Amount) add(octets int) {
	a.Messages++
	a.Octets += uint64(octets)
}

func (a Amount) Plus(b Amount) Amount  { return Amount{a.Messages + b.Messages, a.Octets + b.Octets} }
func (a Amount) Minus(b Amount) Amount { return Amount{a.Messages - b.Messages, a.Octets - b.Octets} }

// tally is an amount that several goroutines add to.
type tally struct{ messages, octets atomic.Uint64 }

func (t *tally) add(octets int) {
	t.messages.Add(1)
	t.octets.Add(uint64(octets))
}

func (t *tally) plus(what Amount) {
	t.messages.Add(what.Messages)
	t.octets.Add(what.Octets)
}

func (t *tally) amount() Amount { return Amount{t.messages.Load(), t.octets.Load()} }

// take returns the amount, and begins anew.
func (t *tally) take() Amount { return Amount{t.messages.Swap(0), t.octets.Swap(0)} }
