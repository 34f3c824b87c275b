package link

import (
	"io"
	"math"
	"testing"
)

// TestTrain has a link that is behind write many buffers at once: no further than one buffer
// beyond the edge, each message once, and nothing of them stays once they are acknowledged.
func TestTrain(t *testing.T) {
	near, far := openPair(t, dealer, router)
	c := &conversation{Outbox: NewOutbox(Config{Outbox: 32 << 20}), heard: make([][]int, 1)}
	c.news.L = &c.mu
	c.over(t, near, far)
	const messages, size = 100, 60 << 10
	for number := range messages {
		if err := c.say(t.Context(), 0, number, size); err != nil {
			t.Fatal(err)
		}
	}
	for _, edge := range []uint64{1, 600 << 10, 1 << 20, 4 << 20} {
		c.Grant(edge)
		c.mu.Lock()
		for c.expected < edge {
			c.news.Wait()
		}
		c.mu.Unlock()
		c.Locked(func() {
			if c.high < edge || c.high >= edge+rowBuffer {
				t.Errorf("with the edge %d all before %d was written", edge, c.high)
			}
		})
	}
	c.Grant(math.MaxUint64)
	c.await(t, 0, messages)
	if err := c.whole(messages); err != nil {
		t.Error(err)
	}
	if err := c.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	c.Locked(func() {
		if c.has > rowBuffer {
			t.Errorf("buffers of %d octets stay", c.has)
		}
	})
	if err := near.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := c.ends[1](); err != io.EOF {
		t.Error(err)
	}
}
