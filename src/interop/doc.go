// Package interop lets programs that are not ours judge ours. Gyre, which speaks
// ZRE version 2 as Zyre does, judges the codec and the node; libzmq, through
// goczmq, judges ZMTP; a double of Zyre on libzmq judges what becomes of connections,
// of peers that come back and of elections. A peer in Python, which was written from the
// pages in generated/doc alone, judges those pages. It is a module of its own, so that what
// they need, cgo among it, is not needed by @Once. Apart from tests it has what tests
// and the command gyrenode say to each other.
package interop

// Command tells gyrenode to do something; one JSON object a line.
type Command struct {
	Do      string // join, leave, shout, whisper
	To      string // group, or UUID as gyre writes it
	Content []byte
}

// Event is what gyrenode tells; one JSON object a line. The first is ready.
type Event struct {
	Type    string // ready, enter, exit, join, leave, shout, whisper
	Peer    string // UUID as gyre writes it; for ready its own
	Name    string
	Addr    string
	Group   string
	Headers map[string]string
	Content []byte
}
