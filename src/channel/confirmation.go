package channel

import (
	"slices"
	"sync/atomic"
	"time"
)

// confirmation is what a peer has confirmed of a stream: it answers questions, acknowledges, or
// tells how many messages it has taken in. It is the loop's.
type confirmation struct {
	of        *stream
	asks      atomic.Int64 // how many there are of asked; for all
	asked     []*Question  // that the peer has not answered
	answers   int
	confirmed Amount // what was said before the latest answer
}

// Question is whether the peer has what was said before.
type Question struct {
	said Amount
	end  uint64 // where that ends in a stream that lasts
	at   time.Time
	Over chan struct{} // closed when it is answered, or never will be over this path
	Took time.Duration // until the answer; 0 if there is none
}

// askLocked notes that the peer is asked, with the message that there is room for, whether it
// has what was said before. The caller holds the outbox.
func (c *confirmation) askLocked() {
	c.asked = append(c.asked, &Question{said: c.of.said, end: c.of.EndLocked(), at: time.Now(), Over: make(chan struct{})})
	c.asks.Add(1)
}

// Asks returns what a function asks the peer, which is over only with the path if that takes
// no questions. It is the loop's.
func (c *confirmation) Asks(ask func()) *Question {
	before := len(c.asked)
	if ask(); len(c.asked) > before {
		return c.asked[before]
	}
	return new(Question)
}

// Confirmed returns how much of what was said the peer has confirmed. It is the loop's.
func (c *confirmation) Confirmed() Amount { return c.confirmed }

// Unsure tells whether content was said that the peer was not asked to confirm. It is the
// loop's.
func (c *confirmation) Unsure() bool {
	asked := c.confirmed
	if last := len(c.asked) - 1; last >= 0 {
		asked = c.asked[last].said
	}
	return c.of.Said() != asked
}

// Answered notes that the peer, asked to confirm, has done so so often. It is the loop's.
func (c *confirmation) Answered(count int) {
	if n := count - c.answers; n > 0 && n <= len(c.asked) {
		c.answers = count
		c.answer(n)
	}
}

// answer takes so many questions for answered.
func (c *confirmation) answer(n int) {
	if n == 0 {
		return
	}
	c.confirmed = c.asked[n-1].said
	for _, q := range c.asked[:n] {
		q.Took = max(time.Since(q.at), time.Microsecond)
		close(q.Over)
	}
	c.asked = slices.Delete(c.asked, 0, n)
	c.asks.Add(int64(-n))
}

// Took notes that the peer has taken in so many messages, which confirms what was said if
// it is all of it. It is the loop's.
func (c *confirmation) Took(count uint64) {
	c.of.Locked(func() {
		if count >= c.of.latest && count <= c.of.count {
			c.answers += len(c.asked)
			c.drop()
			c.confirmed = c.of.said
		}
	})
}

// drop has the questions never be answered.
func (c *confirmation) drop() {
	for _, q := range c.asked {
		close(q.Over)
	}
	c.asks.Add(-int64(len(c.asked)))
	c.asked = nil
}

// Passed answers the questions that what is acknowledged answers, and tells whether there were
// any. It is the loop's.
func (c *confirmation) Passed() (answers bool) {
	to, _ := c.of.Acknowledged()
	n := 0
	for n < len(c.asked) && c.asked[n].end <= to {
		n++
	}
	c.answer(n)
	c.of.Locked(func() {
		if c.of.allLocked() {
			c.confirmed = c.of.said
		}
	})
	return n > 0
}

// forget returns what the peer has not confirmed, from then on taken for confirmed.
func (c *confirmation) forget() Amount {
	said := c.of.Said()
	what := said.Minus(c.confirmed)
	if c.of.lasts {
		what = c.of.Rest()
	}
	c.drop()
	c.confirmed, c.answers = said, 0
	return what
}

// Lacks returns how much the peer has not confirmed of what was said by then. It is the loop's.
func (c *confirmation) Lacks(said Amount) Amount {
	if !c.of.lasts {
		return said.Minus(c.confirmed)
	}
	later := c.of.Said().Minus(said)
	if rest := c.of.Rest(); rest.Messages > later.Messages {
		return rest.Minus(later)
	}
	return Amount{}
}
