// Package model reads models in the dialect of zproto and zproject: protocols, machines and
// classes, and the layouts that @Once has beside them. It reads models that have faults, too: what
// is wrong with them is for package lint to say.
//
// Programs import bindings/go/once: what is here may change at any time.
package model
