package node

import (
	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/dial"
	"github.com/sjohnr/at-once/src/site"
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

	site *site.Site
	home string // where we accept connections, for people

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

// enlist has the node join a group or contest for it, unless that is one too many.
func (l *loop) enlist(in zre.Input) error {
	if l.core.Full(in) {
		return api.ErrGroups
	}
	l.step(in)
	return nil
}

// groupsOwn returns the groups that the node is in, sorted. Others may call it.
func (l *loop) groupsOwn() (own []string) {
	l.do(func() { own = l.core.OwnGroups() })
	return own
}
