// Package control lets programs of one user share a node that one of them runs: a [Server]
// beside the node, at a socket in the directory of its identity, and a [Client] in each of
// the others. What they say to each other is the model once_control.
//
// Programs import bindings/go/once: what is here may change at any time.
package control
