package node

import (
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/dial"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zre"
)

// loop is what the loop's goroutine owns: others act on it in turns.
type loop struct {
	*shared
	turns
	*table
	ledger
	dialer *dial.Dialer
	sender *channel.Sender

	port uint16 // on which we accept connections
	home string // where we do, for people

	ours    map[zre.LinkID]*outbound
	theirs  map[zre.LinkID]*inbound
	links   zre.LinkID       // the latest number
	scratch []byte           // where control messages are encoded
	version uint64           // of what is known: the number of events
	twins   map[uint16]*twin // by port: the id is theirs as well
}

// number returns the number of a connection.
func (l *loop) number() zre.LinkID {
	l.links++
	return l.links
}

// closeSoon closes a connection that we made when what is queued on it has gone out, at the
// latest after the linger time.
func (l *loop) closeSoon(k *link.Link) {
	l.shutdown(k, func(err error) { l.do(func() { l.ends(k, err) }) })
}

// full is called when a peer takes nothing at all: it gets a fresh connection.
func (l *loop) full(k *link.Link) {
	l.count("control overflows")
	l.closeSoon(k)
}
