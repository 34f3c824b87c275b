package link

import (
	"cmp"
	"math"
	"sync"
)

// attaching serialises calls of Attach: nobody else holds two outboxes at a time.
var attaching sync.Mutex

// Attach has another link write what waits in the outbox, and from then on the outbox does
// not end with any link: when its link ends it keeps what waits, and takes what there is
// room for, until it is attached to the next, or until Discard. To attach it to the link
// that it has is to say that. An outbox that has ended stays so: Attach then returns why,
// an ErrClosed, and changes nothing.
//
// It moves between two writes. What the old link has begun to write is that link's, to be
// finished or lost; it is not written again, Flush does not wait for it, and as after any
// failure only the far side knows how much has arrived. All else goes over the new link, in
// the order in which it was committed, and who waits in Reserve keeps their place. So each
// message goes out once, but for those that were lost with a link. What commands of the
// old link still wait go along.
//
// The old link then has nothing to send but its own commands. It is not closed, and its
// methods Reserve, Commit and so on are still those of the outbox that it was opened with,
// wherever that is. The outbox that the new link had before ends: what waits there is
// written first, and lost with that link, and senders get ErrClosed. So what the far side
// has to know before all else is said over the new link, and then the outbox attached.
//
// The caller must not have reserved room in either outbox.
func (o *Outbox) Attach(to *Link) error {
	attaching.Lock()
	defer attaching.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return o.err
	}
	o.stays = true
	if o.link == to {
		return nil
	}
	octets, _ := o.link.arrivals(o.counts())
	before := o.since + octets
	o.depart()
	o.arrive(to)
	octets, _ = to.arrivals(o.counts())
	o.since = before - octets
	o.wake()
	return nil
}

// depart leaves the link with an outbox of its own, for its commands.
func (o *Outbox) depart() {
	o.sent += int64(o.flying)
	o.flying, o.flown = 0, 0
	own := newOutbox(o.link)
	own.sent = o.sent // so that to the link it grows on
	if o.link.over {
		own.shut(nil)
	}
	o.link.box.Store(own)
}

// arrive takes the place of the outbox of a link.
func (o *Outbox) arrive(to *Link) {
	last := to.lock()
	defer last.mu.Unlock()
	to.inherit(last)
	last.end()
	o.link = to
	if to.box.Store(o); !to.writing {
		to.start(o)
	}
}

// inherit takes over what waits in the outbox that the link has had.
func (l *Link) inherit(last *Outbox) {
	switch {
	case !l.due(last) || last.out == nil:
	case l.begun == nil:
		l.begun, last.out = last.out, nil
	default:
		l.begun = last.pool.grow(l.begun, len(last.out.b), math.MaxInt)
		l.begun.b = append(l.begun.b, last.out.b...)
	}
}

// Discard ends the outbox: what waits in it is dropped, it takes nothing any more, and who
// waits gets ErrClosed. The link that it is attached to goes on.
func (o *Outbox) Discard() {
	attaching.Lock()
	defer attaching.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.link.box.Load() == o {
		o.depart()
	}
	o.end()
}

// end drops what waits, and takes nothing any more.
func (o *Outbox) end() {
	o.shut(nil)
	o.broken = cmp.Or(o.broken, o.err)
	o.stays = false
	o.rest()
	o.wake()
}
