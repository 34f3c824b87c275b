package node

import (
	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/link"
)

// ledger is what peers have yet to confirm, and who is to be told. It is the loop's.
type ledger struct {
	missed  missed                 // content that was not confirmed, and that nobody was told of
	flushes map[*flush]bool        // that wait
	parting map[*link.Link]parting // what is yet to be taken over links that we end
}

// flush is a call of Flush that waits.
type flush struct {
	waits  map[uuid.UUID]channel.Amount // what each peer has to confirm, counted on its connection
	missed missed
	done   chan struct{} // closed when nobody is waited for
}

// parting is a peer whose connection we end, and what it has yet to take.
type parting struct {
	peer *Peer
	channel.Amount
	reason string
}

func newLedger() ledger {
	return ledger{missed: missed{}, flushes: map[*flush]bool{}, parting: map[*link.Link]parting{}}
}

// open begins a wait, which takes what nobody was told of, and what is on its way over
// links that have been ended: nobody confirms that any more.
func (l *ledger) open() *flush {
	for over, p := range l.parting {
		l.missed.add(p.peer, p.Amount, p.reason)
		delete(l.parting, over)
	}
	f := &flush{waits: map[uuid.UUID]channel.Amount{}, missed: l.missed, done: make(chan struct{})}
	l.missed, l.flushes[f] = missed{}, true
	return f
}

// settle ends the wait for a peer.
func (f *flush) settle(peer uuid.UUID) {
	if _, waits := f.waits[peer]; waits {
		if delete(f.waits, peer); len(f.waits) == 0 {
			close(f.done)
		}
	}
}

// settled ends the waits for what a peer has confirmed.
func (l *ledger) settled(peer uuid.UUID, confirmed channel.Amount) {
	for f := range l.flushes {
		if said, waits := f.waits[peer]; waits && confirmed.Messages >= said.Messages {
			f.settle(peer)
		}
	}
}

// tell has those who wait for a peer wait no more, and tells whether there are some.
func (l *ledger) tell(peer *Peer, what channel.Amount, reason string) (told bool) {
	for f := range l.flushes {
		if _, waits := f.waits[peer.UUID()]; waits {
			f.missed.add(peer, what, reason)
			f.settle(peer.UUID())
			told = true
		}
	}
	return told
}

// lose notes that a peer may never confirm something: those who wait for it are told, else
// who asks next.
func (l *ledger) lose(peer *Peer, what channel.Amount, reason string) {
	if !l.tell(peer, what, reason) {
		l.missed.add(peer, what, reason)
	}
}

// explain says why a peer is gone to all who are told or will be of what it has missed.
func (l *ledger) explain(peer uuid.UUID, reason string) {
	l.missed.explain(peer, reason)
	for f := range l.flushes {
		f.missed.explain(peer, reason)
	}
}

// part notes that we take leave of a peer over a link, or that there is none to do so: it
// has yet to take what it has not confirmed.
func (l *ledger) part(peer *Peer, over *link.Link, what channel.Amount, reason string) {
	l.tell(peer, what, reason)
	if over == nil {
		l.missed.add(peer, what, reason)
		return
	}
	l.parting[over] = parting{peer, what, reason}
}

// parted notes how a link ended that we have ended, if something was still to be taken:
// who has read it to its end has all that was said.
func (l *ledger) parted(over *link.Link, err error) {
	if p, known := l.parting[over]; known && err != nil {
		l.missed.add(p.peer, p.Amount, p.reason)
	}
	delete(l.parting, over)
}
