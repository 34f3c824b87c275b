// Package zre is the core of a ZRE node (RFC 36): what it knows of its peers
// and groups, and what it does about what it hears.
//
// The core is pure. It has no sockets, goroutines or clock: [Core.Step] takes
// one [Input] and the time, and returns the [Output]s that someone else carries
// out. The same inputs always give the same outputs, so a whole network can be
// simulated in one thread. The life of each peer is the machine that is printed
// from api/machine/peer.xml.
//
// Programs import bindings/go/once: what is here may change at any time.
package zre
