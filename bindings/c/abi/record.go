package abi

import (
	"encoding/binary"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// A Writer writes records into a buffer that it does not grow beyond its capacity, if
// it is bounded. What it writes is a sequence of records: an octet with the number of
// the class, 4 with the length of what follows, the fixed parts of all fields, and what
// varies of them, in the same order. Numbers are big-endian. Of what varies the fixed
// part holds the length, or how many entries there are; each entry of a list has its
// length, in 4 octets, before it. A record that another refers to comes before it; the
// reference is where it begins.
type Writer struct {
	buf     []byte
	bounded bool
	missing int // octets that had no room since the last Begin
	fixed   int // where the next field's fixed part goes
	refs    map[any]uint32
	last    any // the reference that was looked up last, and where it begins
	lastAt  uint32
}

// NewWriter returns a writer that grows.
func NewWriter() *Writer { return &Writer{refs: map[any]uint32{}} }

// Reset has the writer write into buf and no further.
func (w *Writer) Reset(buf []byte) {
	clear(w.refs)
	*w = Writer{buf: buf[:0:len(buf)], bounded: true, refs: w.refs}
	if w.refs == nil {
		w.refs = map[any]uint32{}
	}
}

// One returns a record, and what it refers to, which comes before it.
func One[T any](put func(*Writer, T) uint32, v T) []byte {
	w := NewWriter()
	put(w, v)
	return w.buf
}

// Bytes returns what was written.
func (w *Writer) Bytes() []byte { return w.buf }

// Seen returns where the record of a key begins, if it was written.
func (w *Writer) Seen(key any) (uint32, bool) {
	if w.last != nil && key == w.last {
		return w.lastAt, true
	}
	at, ok := w.refs[key]
	if ok {
		w.last, w.lastAt = key, at
	}
	return at, ok
}

// Saw notes where the record of a key begins.
func (w *Writer) Saw(key any, at uint32) {
	w.refs[key] = at
	w.last, w.lastAt = key, at
}

// Begin begins a record of a class with a fixed part of so many octets, and returns
// where.
func (w *Writer) Begin(class uint8, octets int) uint32 {
	at := len(w.buf)
	head := w.room(5 + octets)
	if head != nil {
		head[0] = class
		clear(head[5:])
	}
	w.fixed = at + 5
	return uint32(at)
}

// End ends the record that began at a place.
func (w *Writer) End(at uint32) {
	if w.missing == 0 {
		binary.BigEndian.PutUint32(w.buf[at+1:], uint32(len(w.buf)-int(at)-5))
	}
}

// room makes room for n octets and returns them, or nil if there is none.
func (w *Writer) room(n int) []byte {
	at := len(w.buf)
	if w.bounded && (w.missing > 0 || at+n > cap(w.buf)) {
		w.missing += n
		return nil
	}
	w.buf = slices.Grow(w.buf, n)[:at+n]
	return w.buf[at:]
}

// next returns the fixed part of the next field, of n octets, or nil.
func (w *Writer) next(n int) []byte {
	at := w.fixed
	w.fixed += n
	if w.missing > 0 {
		return nil
	}
	return w.buf[at:w.fixed]
}

func (w *Writer) Uint8(v uint8) {
	if b := w.next(1); b != nil {
		b[0] = v
	}
}

func (w *Writer) Uint16(v uint16) {
	if b := w.next(2); b != nil {
		binary.BigEndian.PutUint16(b, v)
	}
}

func (w *Writer) Uint32(v uint32) {
	if b := w.next(4); b != nil {
		binary.BigEndian.PutUint32(b, v)
	}
}

func (w *Writer) Uint64(v uint64) {
	if b := w.next(8); b != nil {
		binary.BigEndian.PutUint64(b, v)
	}
}

func (w *Writer) Bool(v bool) {
	if v {
		w.Uint8(1)
	} else {
		w.Uint8(0)
	}
}

func (w *Writer) Int64(v int)            { w.Uint64(uint64(int64(v))) }
func (w *Writer) Millis(v time.Duration) { w.Uint64(uint64(v.Milliseconds())) }

// Time writes nanoseconds since 1970, 0 for no time.
func (w *Writer) Time(v time.Time) { w.Uint64(uint64(Nanoseconds(v))) }

// Nanoseconds is a time as it crosses: nanoseconds since 1970, 0 for no time.
func Nanoseconds(v time.Time) int64 {
	if v.IsZero() {
		return 0
	}
	return v.UnixNano()
}

func (w *Writer) UUID(v uuid.UUID) {
	if b := w.next(16); b != nil {
		copy(b, v[:])
	}
}

// utf8Of returns a text with U+FFFD in place of what is no UTF-8: peers may say such.
func utf8Of(v string) string {
	if utf8.ValidString(v) {
		return v
	}
	return strings.ToValidUTF8(v, "\ufffd")
}

func (w *Writer) Text(v string) {
	v = utf8Of(v)
	w.Uint32(uint32(len(v)))
	copy(w.room(len(v)), v)
}

func entry[T string | []byte](w *Writer, v T) {
	if b := w.room(4 + len(v)); b != nil {
		binary.BigEndian.PutUint32(b, uint32(len(v)))
		copy(b[4:], v)
	}
}

func (w *Writer) Texts(v []string) {
	w.Uint32(uint32(len(v)))
	for _, text := range v {
		entry(w, utf8Of(text))
	}
}

func (w *Writer) Frames(v [][]byte) {
	w.Uint32(uint32(len(v)))
	for _, frame := range v {
		entry(w, frame)
	}
}

// Map writes a key and a value for each pair, sorted by key.
func (w *Writer) Map(v map[string]string) {
	w.Uint32(uint32(len(v)))
	for _, key := range sorted(v) {
		entry(w, utf8Of(key))
		entry(w, utf8Of(v[key]))
	}
}

// Numbers is Map for numbers, which are 8 octets.
func (w *Writer) Numbers(v map[string]uint64) {
	w.Uint32(uint32(len(v)))
	for _, key := range sorted(v) {
		entry(w, utf8Of(key))
		var number [8]byte
		binary.BigEndian.PutUint64(number[:], v[key])
		entry(w, number[:])
	}
}

func sorted[T any](v map[string]T) []string {
	keys := make([]string, 0, len(v))
	for key := range v {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Alone returns one value as it crosses outside a record: its length or count, and
// then what varies.
func Alone[T any](put func(*Writer, T), v T) []byte {
	w := &Writer{}
	w.room(4)
	put(w, v)
	return w.buf
}
