// Package link turns connections into links: ZMTP connections that carry whole
// messages both ways, fast, within stated limits.
//
// # Sending
//
// A sender reserves octets in the link's outbox, encodes ZMTP frames straight
// into them, and commits. A lone message is written by its sender at once; in a
// burst a writer goroutine, which runs as long as there is something to write, takes
// what has gathered while it was writing what came before. Octets that were committed are written in that order.
// After a failed write the link is dead.
//
// The outbox that a link is opened with ends with it. One of NewOutbox keeps what is written
// until it is acknowledged, and Attach has another link go on with it, from a position: what
// was under way is written again.
//
// # Receiving
//
// Serve reads in its caller's goroutine and hands over batches: the whole
// messages of one read, which alias a shared buffer that goes back to its pool
// when the last reference to the batch is released. A link that is idle holds no
// buffer. A deliver function that blocks stops the reading, and TCP then slows
// the far side down.
//
// # The beginning
//
// The handshake reads all that is there, and writes before it waits for more. What has come
// with its end, Serve delivers. With Config.Held what is said first goes out together with
// that end, when there is nothing more to read.
//
// # Security
//
// With Config.Curve a link opens only to a far side that holds the key that it has
// to hold, or one that Admit lets in (RFC 26). Frames are encrypted each by itself, by
// who writes them, so that the outbox counts plain octets. Anything that was not
// encrypted by the far side, for this link, in this order, ends it.
//
// # The end
//
// A link ends when the far side closes it, when either side breaks, by Close, or
// by Shutdown. Close is at once and drops what is queued. Shutdown writes what is
// queued, says so to the far side, and waits for it to close, all within its
// context; then it is Close. Everything that waits returns an error that is
// ErrClosed, and so net.ErrClosed. Serve alone tells the reasons apart: io.EOF
// says that the far side closed in good order.
//
// Programs import bindings/go/once: what is here may change at any time.
package link
