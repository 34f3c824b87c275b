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

// room is what all peers have for what they say of themselves.
type room struct{ weight int }

// fits tells whether one of them, who weighs so much, may weigh as much as said.
func (r *room) fits(was, weight int) bool { return r.weight-was+weight <= zremsg.MaxGreetings }
