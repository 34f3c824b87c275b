package wire

import "encoding/binary"

// Reader decodes the fields of one message in turn. Its first fault sticks:
// later calls do nothing, and [Reader.End] returns it.
//
// Each method stores what it reads through a pointer to the caller's old
// value and re-uses that: a string that did not change is kept, a slice is
// overwritten within its capacity. Decoding like messages into one value
// therefore does not allocate. After a fault the value is partly old. Only
// [Reader.Borrow] and [Reader.Frames] store parts of what is read themselves.
type Reader struct {
	message string
	frame   []byte
	frames  [][]byte
	err     error
}

// NewReader reads the message named message from its first frame and the
// frames that follow it. Both are borrowed for the life of the Reader, and by
// whatever [Reader.Borrow] and [Reader.Frames] store them in.
func NewReader(message string, frame []byte, content [][]byte) Reader {
	return Reader{message: message, frame: frame, frames: content}
}

// End returns the first fault; octets or frames that nobody has read are one.
func (r *Reader) End() error {
	if left := len(r.frame) + len(r.frames); left > 0 {
		r.fail("", ErrTrailing, uint64(left), 0)
	}
	return r.err
}

// Err returns the first fault so far.
func (r *Reader) Err() error { return r.err }

// Signed tells whether a first frame begins with a protocol's signature. Where messages of
// several protocols come, that costs less than to have each but one fail.
func Signed(frame []byte, signature uint16) bool {
	return len(frame) >= 2 && binary.BigEndian.Uint16(frame) == signatureBase|signature
}

// Signature reads the protocol's signature and returns the message id after it.
func (r *Reader) Signature(signature uint16) uint8 {
	b := r.next("signature", 3)
	if b == nil {
		return 0
	}
	if got := binary.BigEndian.Uint16(b); got != signatureBase|signature {
		r.fail("signature", ErrSignature, uint64(got), uint64(signatureBase|signature))
		return 0
	}
	return b[2]
}

// Header reads the protocol's signature and the id of the message.
func (r *Reader) Header(signature uint16, id uint8) {
	if got := r.Signature(signature); got != id {
		r.fail("id", ErrID, uint64(got), uint64(id))
	}
}

// Constant reads a number of so many octets that has only one valid value.
func (r *Reader) Constant(field string, octets int, want uint64) {
	var got uint64
	for _, octet := range r.next(field, octets) {
		got = got<<8 | uint64(octet)
	}
	if got != want {
		r.fail(field, ErrConstant, got, want)
	}
}

// Skip passes over so many octets.
func (r *Reader) Skip(field string, octets int) { r.next(field, octets) }

// Uint8 reads a number of one octet.
func (r *Reader) Uint8(field string, value *uint8) {
	if b := r.next(field, 1); b != nil {
		*value = b[0]
	}
}

// Uint16 reads a number of two octets.
func (r *Reader) Uint16(field string, value *uint16) {
	if b := r.next(field, 2); b != nil {
		*value = binary.BigEndian.Uint16(b)
	}
}

// Uint32 reads a number of four octets.
func (r *Reader) Uint32(field string, value *uint32) {
	if b := r.next(field, 4); b != nil {
		*value = binary.BigEndian.Uint32(b)
	}
}

// Uint64 reads a number of eight octets.
func (r *Reader) Uint64(field string, value *uint64) {
	if b := r.next(field, 8); b != nil {
		*value = binary.BigEndian.Uint64(b)
	}
}

// UUID reads 16 octets.
func (r *Reader) UUID(field string, value *[16]byte) {
	if b := r.next(field, 16); b != nil {
		copy(value[:], b)
	}
}

// String reads a string of at most limit octets.
func (r *Reader) String(field string, value *string, limit int) {
	if b := r.next(field, stringPrefix); b != nil {
		r.text(field, value, uint64(b[0]), limit)
	}
}

// LongString reads a longstr of at most limit octets.
func (r *Reader) LongString(field string, value *string, limit int) {
	if b := r.next(field, longPrefix); b != nil {
		r.text(field, value, uint64(binary.BigEndian.Uint32(b)), limit)
	}
}

// Bytes reads a chunk of at most limit octets and copies it into the old
// value's memory, or into new memory if that is too small.
func (r *Reader) Bytes(field string, value *[]byte, limit int) {
	var b []byte
	if r.Borrow(field, &b, limit); r.err == nil {
		*value = append((*value)[:0], b...)
	}
}

// Borrow reads a chunk of at most limit octets. It is not copied: the value
// aliases the frame.
func (r *Reader) Borrow(field string, value *[]byte, limit int) {
	prefix := r.next(field, longPrefix)
	if prefix == nil {
		return
	}
	if b, ok := r.limited(field, uint64(binary.BigEndian.Uint32(prefix)), limit); ok {
		*value = b
	}
}

// Exactly fails unless a chunk that was read has as many octets as it always has.
func (r *Reader) Exactly(field string, value []byte, octets int) {
	if len(value) != octets {
		r.fail(field, ErrSize, uint64(len(value)), uint64(octets))
	}
}

// Strings reads a list of at most limit entries of at most each octets, together sum.
func (r *Reader) Strings(field string, value *[]string, limit, each, sum int) {
	count, ok := r.count(field, limit, longPrefix)
	if !ok {
		return
	}
	*value = resize(*value, count)
	total := 0
	for i := range *value {
		r.LongString(field, &(*value)[i], each)
		total += len((*value)[i])
		r.sums(field, total, sum)
	}
}

// Pairs reads a dictionary of at most limit entries, whose keys have at most
// 255 octets and whose values at most each, all together sum. A key given twice is a
// fault.
func (r *Reader) Pairs(field string, value *[]Pair, limit, each, sum int) {
	count, ok := r.count(field, limit, pairPrefix)
	if !ok {
		return
	}
	*value = resize(*value, count)
	total := 0
	for i := range *value {
		p := &(*value)[i]
		r.String(field, &p.Key, maxString)
		r.LongString(field, &p.Value, each)
		total += len(p.Key) + len(p.Value)
		r.sums(field, total, sum)
	}
	if r.err != nil {
		return
	}
	if i := duplicate(*value); i >= 0 {
		r.fail(field, ErrDuplicate, uint64(i), 0)
	}
}

// Frames takes the frames that follow the first, at most limit. They are not
// copied: the value aliases what was given to [NewReader].
func (r *Reader) Frames(field string, value *[][]byte, limit int) {
	if len(r.frames) > limit {
		r.fail(field, ErrLimit, uint64(len(r.frames)), uint64(limit))
		return
	}
	*value, r.frames = r.frames, nil
}

// text reads size octets into value, keeping the old string if it is equal.
func (r *Reader) text(field string, value *string, size uint64, limit int) {
	if b, ok := r.limited(field, size, limit); ok && *value != string(b) {
		*value = string(b)
	}
}

// limited takes size octets if that is within the limit and the frame.
func (r *Reader) limited(field string, size uint64, limit int) ([]byte, bool) {
	if size > uint64(limit) {
		r.fail(field, ErrLimit, size, uint64(limit))
		return nil, false
	}
	b := r.next(field, int(size))
	return b, r.err == nil
}

// count reads a number of entries if that is within the limit and so many
// entries of at least the given octets can be left.
func (r *Reader) count(field string, limit, least int) (int, bool) {
	b := r.next(field, 4)
	if b == nil {
		return 0, false
	}
	count := uint64(binary.BigEndian.Uint32(b))
	if count > uint64(limit) {
		r.fail(field, ErrLimit, count, uint64(limit))
		return 0, false
	}
	if need := count * uint64(least); need > uint64(len(r.frame)) {
		r.fail(field, ErrShort, uint64(len(r.frame)), need)
		return 0, false
	}
	return int(count), true
}

// sums holds the octets of the entries so far against their limit.
func (r *Reader) sums(field string, total, sum int) {
	if total > sum {
		r.fail(field, ErrLimit, uint64(total), uint64(sum))
	}
}

// next takes size octets; it returns nil after a fault.
func (r *Reader) next(field string, size int) []byte {
	if r.err != nil {
		return nil
	}
	if len(r.frame) < size {
		r.fail(field, ErrShort, uint64(len(r.frame)), uint64(size))
		return nil
	}
	b := r.frame[:size:size]
	r.frame = r.frame[size:]
	return b
}

// fail keeps the first fault.
func (r *Reader) fail(field string, kind error, got, want uint64) {
	if r.err == nil {
		r.err = &Error{Message: r.message, Field: field, Err: kind, Got: got, Want: want}
	}
}

// resize returns a slice of the given length that keeps as many old entries as
// fit, so that they can be compared with what is read in their place.
func resize[T any](old []T, length int) []T {
	if length > cap(old) {
		grown := make([]T, length)
		copy(grown, old)
		return grown
	}
	return old[:length]
}
