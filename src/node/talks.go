package node

import (
	"bytes"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/site"
	"github.com/sjohnr/at-once/src/wan"
	"github.com/sjohnr/at-once/src/zre"
)

// talks are what the node has with all peers: the connections, and what goes over several of
// them. They are the loop's.
type talks struct {
	*base
	*turns
	books
	site *site.Site
	wan  *wan.Access // what lies beyond the LAN; nil for nothing

	theirs  map[zre.LinkID]*receiver // the connections that peers speak over
	bygones map[uuid.UUID]uint64     // the peers' numbers of channels that they may go on with: see overAgain
	latest  zre.LinkID               // the latest number of a connection
	overrun func(peer uuid.UUID)     // called by who finds that a peer that there is a channel with takes nothing at all, and is not the loop
	scratch []byte                   // where control messages are encoded
}

// number returns the number of a connection.
func (l *talks) number() zre.LinkID {
	l.latest++
	return l.latest
}

// ends notes how a connection ended that we may have taken leave over.
func (l *talks) ends(k *link.Link, err error) {
	l.parted(k, err)
	l.hush()
}

// hush ends the connections that were made to a node that stops, once its leave-taking
// is over: who sees them end has then heard what the node has taken.
func (l *talks) hush() {
	if !l.stopping() || len(l.parting) > 0 {
		return
	}
	for _, r := range l.theirs {
		r.hangUp()
	}
}

// closeSoon closes a connection that we made when what is queued on it has gone out, at the
// latest after the linger time.
func (l *talks) closeSoon(k *link.Link) {
	l.shutdown(k, func(err error) { l.do(func() { l.ends(k, err) }) })
}

// update replaces what is known of a peer, if it is present.
func (l *talks) update(p *Peer) {
	if c := l.find(p.UUID()); c != nil {
		c.Update(l.by(p))
	}
}

// by returns what is known of a peer, with the way that what we say takes to it.
func (l *talks) by(p *Peer) *Peer {
	t, way := l.of(p.UUID()).talk, p.Way()
	if c := l.find(p.UUID()); t != nil && t.over != nil {
		way = t.over.way()
	} else if c != nil { // the latest counts
		way = c.Peer().Way()
	}
	if way != p.Way() {
		return zre.By(p, way)
	}
	return p
}

// expects tells whether a peer that has sighted us dials us, and its link is the one that
// stays. A plain peer of a node with an identity has a connection each way.
func (l *talks) expects(id uuid.UUID) bool {
	return bytes.Compare(id[:], l.guard.ID[:]) < 0 && identity.Owned(id) == identity.Owned(l.guard.ID)
}

// callOff ends the attempt to connect to a peer whose link has come that was expected.
func (l *talks) callOff(id uuid.UUID) {
	if p := l.of(id); p.attempt != nil && l.expects(id) {
		p.attempt.Spare()
		l.with(id, func(p *peer) { p.attempt = nil })
	}
}

// signs tells the core what the connections from and to a peer tell of its life.
func (l *talks) signs(id uuid.UUID) (s zre.Signs) {
	p := l.of(id)
	if r := p.theirs; r != nil {
		s.Heard, s.Waiting = r.link.Heard(), r.in.Stalled()
	}
	if out := p.ours; out != nil {
		s.Took, s.Owes = out.Signs()
		s.Unsure, s.Busy = out.Unsure(), out.Busy()
	}
	return s
}
