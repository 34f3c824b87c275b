package client

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncerecord"
	"github.com/sjohnr/at-once/src/rendezvous"
)

// ErrRepeated says that what was sent ahead of a link has come before, or that so many send
// something ahead that this could not be told.
var ErrRepeated = fmt.Errorf("%w: it may have come before", ErrUnproved)

// aheads are the numbers of the latest that each node has sent ahead, by the challenge that it
// answers.
type aheads map[[oncerecord.MaxInsideChallenge]byte]map[uuid.UUID]uint64

// OpenAhead returns what a node has sent ahead of a link, once.
func (c *Client) OpenAhead(from uuid.UUID, octets []byte) (*rendezvous.Ahead, error) {
	err := error(ErrUnproved)
	for _, challenge := range c.Challenges() {
		var said *rendezvous.Ahead
		var number uint64
		if said, number, err = rendezvous.OpenAhead(c.Identity, from, challenge, 0, bytes.Clone(octets)); err == nil {
			return said, c.first(from, challenge, number)
		}
	}
	return nil, err
}

// Began notes that a node has begun a channel of a number over a link: what it has sent ahead in
// that, or before, comes too late from then on.
func (c *Client) Began(from uuid.UUID, channel uint64) {
	for _, challenge := range c.Challenges() {
		_ = c.first(from, challenge, channel) // who cannot be noted sends nothing ahead
	}
}

// first notes the number of what a node has sent ahead in answer to a challenge. The error is
// ErrRepeated unless it is higher than all before.
func (c *Client) first(from uuid.UUID, challenge []byte, number uint64) error {
	counting := c.Challenges()
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.aheads, func(old [oncerecord.MaxInsideChallenge]byte, _ map[uuid.UUID]uint64) bool {
		return !slices.ContainsFunc(counting, func(counts []byte) bool { return bytes.Equal(counts, old[:]) })
	})
	key := [oncerecord.MaxInsideChallenge]byte(challenge)
	if c.aheads[key] == nil {
		c.aheads[key] = map[uuid.UUID]uint64{}
	}
	last, known := c.aheads[key][from]
	if number <= last || !known && len(c.aheads[key]) >= oncerecord.MaxAheads {
		return ErrRepeated
	}
	c.aheads[key][from] = number
	return nil
}
