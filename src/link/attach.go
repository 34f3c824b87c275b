package link

import "sync"

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
	if o.writer == &to.writer {
		return nil
	}
	before, _ := o.taken()
	o.writer.leave(&o.queue)
	o.writer = &to.writer
	o.writer.adopt(&o.queue)
	after, _ := o.taken()
	o.since += before - after
	o.wake()
	return nil
}

// Discard ends the outbox: what waits in it is dropped, it takes nothing any more, and who
// waits gets ErrClosed. The link that it is attached to goes on.
func (o *Outbox) Discard() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writer.leave(&o.queue)
	o.end()
}
