package link

// Outbox is where senders leave messages for the link that it is attached to. It is made
// with a link, ends with that, and outlives it only after [Outbox.Attach]. All methods may
// be called at the same time.
type Outbox struct {
	queue
	writer *writer // which Commit sets to work: of the link that it is attached to, or was until another took its place
	since  uint64  // what Taken said when it came to this link, less what it would have said of the link alone
}

// Commit lets the octets of the last Reserve be written, and unlocks the outbox.
func (o *Outbox) Commit() { o.writer.commit(&o.queue) }

// Taken returns how many octets the far side has taken of late, as a number that only
// grows, and whether it has yet to take some. Where the operating system does not tell
// what has arrived, what it has accepted itself counts as taken.
func (o *Outbox) Taken() (octets uint64, owes bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.taken()
}

// taken is Taken for who has locked the outbox.
func (o *Outbox) taken() (octets uint64, owes bool) {
	octets, owes = o.writer.taken(&o.queue)
	return o.since + octets, owes
}
