package channel

import (
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/zmtp"
)

// proof proves what is said in a channel and not sealed.
type proof struct {
	tie *guard.Tie
	at  guard.Place
}

// append appends room for a proof to a message.
func (f *proof) append(b []byte) []byte {
	var mac guard.MAC
	return append(zmtp.AppendHeader(b, len(mac), false), mac[:]...)
}

// put puts the proof of a message at a position behind it.
func (f *proof) put(position uint64, message, end []byte) {
	at := f.at
	at.Position = position
	mac := f.tie.ProveAt(at, message)
	copy(end[len(end)-len(mac):], mac[:])
}
