package node

import (
	"slices"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/link"
)

// ledger is what peers have yet to confirm, and who is to be told. It is the loop's.
type ledger struct {
	own      *account               // of the program that runs the node
	accounts []*account             // own and those of the programs that share it
	flushes  map[*flush]struct{}    // that wait
	parting  map[*link.Link]*leaver // what is yet to be taken over links that we end
}

// account is what one program is to be told of: of what it may have said, and it is told
// of more rather than of less.
type account struct {
	missed missed                 // content that was not confirmed, and that the program was not told of
	peers  map[uuid.UUID]struct{} // to whom it has said something; nil for all
	groups map[string]struct{}    // and to which groups
	in     map[string]struct{}    // groups that the node is in for the program
}

func newAccount() *account {
	return &account{missed: missed{}, peers: map[uuid.UUID]struct{}{}, groups: map[string]struct{}{}, in: map[string]struct{}{}}
}

// concerns tells whether the program may have said something to a peer.
func (a *account) concerns(p *Peer) bool {
	if a.peers == nil {
		return true
	}
	_, spoke := a.peers[p.UUID()]
	return spoke || slices.ContainsFunc(p.Groups(), func(group string) bool {
		_, spoke := a.groups[group]
		return spoke
	})
}

// miss notes what a peer does not get, if it concerns the program and that is not told yet.
func (a *account) miss(p *leaver) {
	if a.concerns(p.peer) && !slices.Contains(p.told, a) {
		a.missed.add(p.peer, p.Amount, p.reason)
		p.told = append(p.told, a)
	}
}

// flush is a call of Flush that waits.
type flush struct {
	account *account
	waits   map[uuid.UUID]channel.Amount // what each peer has to confirm, counted on its connection
	missed  missed
	done    chan struct{} // closed when nobody is waited for
}

// leaver is a peer whose connection we end, and what it has yet to take.
type leaver struct {
	peer *Peer
	channel.Amount
	reason string
	told   []*account // that are to be told no more
}

// newLedger returns the ledger of a node that is in some groups from the start.
func newLedger(in map[string]struct{}) ledger {
	own := &account{missed: missed{}, in: in}
	return ledger{own: own, accounts: []*account{own}, flushes: map[*flush]struct{}{}, parting: map[*link.Link]*leaver{}}
}

// forget closes the account of a program that shares the node no more.
func (l *ledger) forget(a *account) {
	l.accounts = slices.DeleteFunc(l.accounts, func(other *account) bool { return other == a })
}

// miss notes that a peer does not get something.
func (l *ledger) miss(p *Peer, what channel.Amount, reason string) {
	l.untold(&leaver{p, what, reason, nil})
}

// begin begins a wait, which takes what the account was not told of, and what is on its way
// over links that have been ended: nobody confirms that any more.
func (l *ledger) begin(a *account) *flush {
	for _, p := range l.parting {
		a.miss(p)
	}
	f := &flush{account: a, waits: map[uuid.UUID]channel.Amount{}, missed: a.missed, done: make(chan struct{})}
	a.missed, l.flushes[f] = missed{}, struct{}{}
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

// tell has those who wait for a peer wait no more, and returns whose waits they were.
func (l *ledger) tell(peer *Peer, what channel.Amount, reason string) (told []*account) {
	for f := range l.flushes {
		if _, waits := f.waits[peer.UUID()]; waits {
			f.missed.add(peer, what, reason)
			f.settle(peer.UUID())
			told = append(told, f.account)
		}
	}
	return told
}

// lose notes that a peer may never confirm something: those who wait for it are told, else
// who asks next.
func (l *ledger) lose(peer *Peer, what channel.Amount, reason string) {
	l.untold(&leaver{peer, what, reason, l.tell(peer, what, reason)})
}

// untold has those told, when they ask next, who are not told yet.
func (l *ledger) untold(p *leaver) {
	for _, a := range l.accounts {
		a.miss(p)
	}
}

// explain says why a peer is gone to all who are told or will be of what it has missed.
func (l *ledger) explain(peer uuid.UUID, reason string) {
	for _, a := range l.accounts {
		a.missed.explain(peer, reason)
	}
	for f := range l.flushes {
		f.missed.explain(peer, reason)
	}
}

// takesLeave notes that we take leave of a peer over a link, or that there is none to do so: it
// has yet to take what it has not confirmed.
func (l *ledger) takesLeave(peer *Peer, over *link.Link, what channel.Amount, reason string) {
	l.tell(peer, what, reason)
	if over == nil {
		l.miss(peer, what, reason)
		return
	}
	l.parting[over] = &leaver{peer, what, reason, nil}
}

// rests notes how much is yet to be taken over a link that we have ended.
func (l *ledger) rests(over *link.Link, what channel.Amount) {
	if p, known := l.parting[over]; known {
		p.Amount = what
	}
}

// parted notes how a link ended that we have ended, if something was still to be taken:
// who has read it to its end has all that was said.
func (l *ledger) parted(over *link.Link, err error) {
	if p, known := l.parting[over]; known && err != nil {
		l.untold(p)
	}
	delete(l.parting, over)
}
