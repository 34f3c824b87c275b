// Package gossip lets nodes find each other where there is no broadcast: they
// tell each other who is there over connections to endpoints that are known
// beforehand. It speaks zgossip, the protocol of CZMQ and Zyre, as server (who
// binds), as client (who connects) and as both.
//
// A tuple of another implementation has no age: it is kept as long as the
// connection that told of it stands, and [Lifetime] longer. Tuples of our own
// nodes carry a version, which their owner raises every [refresh]; a higher one
// replaces a lower one, whichever way it came, and one that is not renewed dies
// out everywhere.
//
// Nothing is queued for those who are told: each connection remembers up to
// which change it has told, so that a slow one costs no memory and gets only the
// latest. A sighting proves nothing, as that of a beacon does not.
//
// Programs import bindings/go/once: what is here may change at any time.
package gossip
