package client

import (
	"bytes"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/rendezvous"
)

// Challenges returns what content that is sent ahead of a connection to the node is sealed
// under: that of the record that others have, and of the one before, which some still have.
func (c *Client) Challenges() [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.published.challenges()
}

// OpenAhead returns what a node has sent ahead of a link, once.
func (c *Client) OpenAhead(from uuid.UUID, octets []byte) (*rendezvous.Ahead, error) {
	err := error(ErrUnproved)
	for _, challenge := range c.Challenges() {
		var said *rendezvous.Ahead
		var number uint64
		if said, number, err = rendezvous.OpenAhead(c.Identity, from, challenge, 0, bytes.Clone(octets)); err == nil {
			return said, c.repeats.first(c.Challenges, from, challenge, number)
		}
	}
	return nil, err
}

// Began notes that a node has begun a channel of a number over a link: what it has sent ahead in
// that, or before, comes too late from then on.
func (c *Client) Began(from uuid.UUID, channel uint64) {
	for _, challenge := range c.Challenges() {
		_ = c.repeats.first(c.Challenges, from, challenge, channel) // who cannot be noted sends nothing ahead
	}
}
