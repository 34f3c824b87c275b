package zre

import "github.com/sjohnr/at-once/generated/go/zremsg"

// entryOctets is what a group or a header of a peer takes in memory beside its text, with
// all that a node keeps on account of it.
const entryOctets = 256

// weigh returns what a greeting counts for in [zremsg.MaxGreetings].
func weigh(hello *zremsg.Hello) int {
	weight := len(hello.Endpoint) + len(hello.Name)
	for _, group := range hello.Groups {
		weight += entryOctets + len(group)
	}
	for _, header := range hello.Headers {
		weight += entryOctets + len(header.Key) + len(header.Value)
	}
	return weight
}

// room tells whether a peer, nil if it is not known, may weigh so much.
func (c *Core) room(p *peer, weight int) bool {
	others := c.weight
	if p != nil {
		others -= p.weight
	}
	return others+weight <= zremsg.MaxGreetings
}

// weighs notes what a peer weighs.
func (p *peer) weighs(weight int) {
	p.core.weight += weight - p.weight
	p.weight = weight
}
