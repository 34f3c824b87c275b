package node

import (
	"time"

	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/guard"
)

// keysRate is how many sealing keys a peer may ask for a second, beside those that it may
// at once.
const keysRate = 1. / 60

// ofSealing takes what a peer says of sealing keys.
func (r *receiver) ofSealing(message zremsg.Message) {
	switch m := message.(type) {
	case *zremsg.AskSealing:
		r.asked(m)
	case *zremsg.Sealing:
		card := r.channel.Peer().Badge().Card
		if card == nil || card.Sealing.Take(m.Key) != nil {
			r.count("sealing keys that are not right")
		}
	}
}

// asked brings a peer the sealing key that one of our cards names. If our connection to it
// has yet to carry content, it is not brought: a HELLO goes first, and the peer asks again.
func (r *receiver) asked(m *zremsg.AskSealing) {
	if r.guard.Identity == nil {
		r.count("sealing keys asked for that are not here")
		return
	}
	if r.keys == nil { // hardly a peer asks
		r.keys = new(guard.Allowance)
	}
	key := r.guard.Identity.Sealing(m.Digest)
	switch {
	case key == nil:
		r.count("sealing keys asked for that are not here")
	case !r.keys.Use(1, time.Now(), zremsg.MaxSealingAnswered, keysRate):
		r.count("sealing keys asked for too often")
	default:
		r.loop.do(func() { r.loop.say(r.peer, &zremsg.Sealing{Key: key}) })
	}
}
