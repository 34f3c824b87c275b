// Package wire is the runtime of the generated codecs: a bounded [Reader], a
// bounded [Writer], and the errors that both report.
//
// The encodings are zproto's, in network byte order. A message opens with a
// signature of two octets (0xAAA0 and the protocol's number) and its id; then
// come its fields:
//
//	number   1, 2, 4 or 8 octets
//	string   1 octet of length, then the octets
//	longstr  4 octets of length, then the octets
//	strings  4 octets of count, then that many longstr
//	hash     4 octets of count, then that many pairs of string and longstr
//	chunk    4 octets of length, then the octets
//	uuid     16 octets
//	msg      the ZeroMQ frames that follow the first, always last
//
// Each length and count is checked against the field's limit and against what
// is left of the frame before anything is allocated. Every value has exactly
// one encoding: what a Reader accepts, a Writer reproduces octet for octet.
//
// Text is not checked for being UTF-8, because ZRE does not ask for it: a Go
// string holds whatever octets came, NUL included.
//
// Nothing here is safe for use by several goroutines at once.
//
// Programs import bindings/go/once: what is here may change at any time.
package wire

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// The kinds of fault, for use with errors.Is.
var (
	ErrShort     = errors.New("frame ends too early")
	ErrTrailing  = errors.New("something follows the end of the message")
	ErrLimit     = errors.New("over the limit")
	ErrSize      = errors.New("wrong size")
	ErrSignature = errors.New("wrong signature")
	ErrID        = errors.New("wrong message id")
	ErrConstant  = errors.New("wrong constant")
	ErrDuplicate = errors.New("key given twice")
)

// Error says which field of which message is at fault. It unwraps to one of
// the kinds above.
type Error struct {
	Message string // message or protocol, as the model spells it
	Field   string // field, as the model spells it; empty for the message as a whole
	Err     error  // the kind of fault
	Got     uint64 // what was found: octets, entries or a value
	Want    uint64 // what is needed (ErrShort), allowed (ErrLimit) or expected
}

func (e *Error) Error() string {
	place := e.Message
	if e.Field != "" {
		place += "." + e.Field
	}
	switch e.Err {
	case ErrShort:
		return fmt.Sprintf("%s: %v: %d octets left, at least %d needed", place, e.Err, e.Got, e.Want)
	case ErrLimit:
		return fmt.Sprintf("%s: %v: %d, at most %d allowed", place, e.Err, e.Got, e.Want)
	case ErrTrailing:
		return fmt.Sprintf("%s: %v: %d octets or frames", place, e.Err, e.Got)
	case ErrID:
		return fmt.Sprintf("%s: %v: %d", place, e.Err, e.Got)
	case ErrDuplicate:
		return fmt.Sprintf("%s: %v: entry %d", place, e.Err, e.Got)
	}
	return fmt.Sprintf("%s: %v: %#x, expected %#x", place, e.Err, e.Got, e.Want)
}

// Unwrap returns the kind of fault.
func (e *Error) Unwrap() error { return e.Err }

// signatureBase is what zproto puts into the upper 12 bits of a signature; the
// protocol's number fills the lower four.
const signatureBase = 0xAAA0

// Octets of the length prefixes, hence the least that an entry takes.
const (
	stringPrefix = 1
	longPrefix   = 4
	pairPrefix   = stringPrefix + longPrefix
)

// maxString is the length limit of every string, and of every key in a hash.
const maxString = 255

// SizeString returns the encoded length of a string in octets.
func SizeString(s string) int { return stringPrefix + len(s) }

// SizeLongString returns the encoded length of a longstr in octets.
func SizeLongString(s string) int { return longPrefix + len(s) }

// SizeBytes returns the encoded length of a chunk in octets.
func SizeBytes(b []byte) int { return longPrefix + len(b) }

// SizeStrings returns the encoded length of a list in octets.
func SizeStrings(list []string) int {
	size := longPrefix
	for _, s := range list {
		size += SizeLongString(s)
	}
	return size
}

// SizePairs returns the encoded length of a dictionary in octets.
func SizePairs(pairs []Pair) int {
	size := longPrefix
	for _, p := range pairs {
		size += SizeString(p.Key) + SizeLongString(p.Value)
	}
	return size
}

// Pair is an entry of a dictionary. Dictionaries are slices of pairs, in the
// order of the wire, so that decoding and encoding again changes nothing.
type Pair struct{ Key, Value string }

// Pairs returns the entries of m in the order of their keys.
func Pairs(m map[string]string) []Pair {
	pairs := make([]Pair, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		pairs = append(pairs, Pair{key, m[key]})
	}
	return pairs
}

// duplicate returns the index of the first pair whose key an earlier one has,
// or -1. Keys in ascending order cost one comparison each and no memory.
func duplicate(pairs []Pair) int {
	sorted := 1
	for sorted < len(pairs) && pairs[sorted-1].Key < pairs[sorted].Key {
		sorted++
	}
	if sorted >= len(pairs) {
		return -1
	}
	seen := make(map[string]struct{}, len(pairs))
	for i, p := range pairs {
		if _, ok := seen[p.Key]; ok {
			return i
		}
		seen[p.Key] = struct{}{}
	}
	return -1
}
