package wire

import "encoding/binary"

// Writer appends the fields of one message to a caller's buffer. Its first
// fault sticks: [Writer.End] returns it and drops what was appended.
type Writer struct {
	message string
	start   int
	buffer  []byte
	err     error
}

// NewWriter appends the message named message to buffer.
func NewWriter(message string, buffer []byte) Writer {
	return Writer{message: message, start: len(buffer), buffer: buffer}
}

// End returns the buffer with the message appended. After a fault it returns
// the buffer as long as it was, and the fault.
func (w *Writer) End() ([]byte, error) {
	if w.err != nil {
		return w.buffer[:w.start], w.err
	}
	return w.buffer, nil
}

// Header appends the protocol's signature and the message id.
func (w *Writer) Header(signature uint16, id uint8) {
	w.Uint16(signatureBase | signature)
	w.Uint8(id)
}

// Uint8 appends a number of one octet.
func (w *Writer) Uint8(value uint8) { w.buffer = append(w.buffer, value) }

// Uint16 appends a number of two octets.
func (w *Writer) Uint16(value uint16) { w.buffer = binary.BigEndian.AppendUint16(w.buffer, value) }

// Uint32 appends a number of four octets.
func (w *Writer) Uint32(value uint32) { w.buffer = binary.BigEndian.AppendUint32(w.buffer, value) }

// Uint64 appends a number of eight octets.
func (w *Writer) Uint64(value uint64) { w.buffer = binary.BigEndian.AppendUint64(w.buffer, value) }

// UUID appends 16 octets.
func (w *Writer) UUID(value [16]byte) { w.buffer = append(w.buffer, value[:]...) }

// String appends a string of at most limit octets.
func (w *Writer) String(field, value string, limit int) {
	if w.fits(field, len(value), min(limit, maxString)) {
		w.Uint8(uint8(len(value)))
		w.buffer = append(w.buffer, value...)
	}
}

// LongString appends a longstr of at most limit octets.
func (w *Writer) LongString(field, value string, limit int) {
	if w.fits(field, len(value), limit) {
		w.Uint32(uint32(len(value)))
		w.buffer = append(w.buffer, value...)
	}
}

// Bytes appends a chunk of at most limit octets.
func (w *Writer) Bytes(field string, value []byte, limit int) {
	if w.fits(field, len(value), limit) {
		w.Uint32(uint32(len(value)))
		w.buffer = append(w.buffer, value...)
	}
}

// Strings appends a list of at most limit entries of at most each octets, together
// sum.
func (w *Writer) Strings(field string, value []string, limit, each, sum int) {
	if !w.fits(field, len(value), limit) || !w.fits(field, SizeStrings(value)-longPrefix*(1+len(value)), sum) {
		return
	}
	w.Uint32(uint32(len(value)))
	for _, s := range value {
		w.LongString(field, s, each)
	}
}

// Pairs appends a dictionary of at most limit entries, whose keys have at most
// 255 octets and whose values at most each, all together sum. A key given twice is a
// fault.
func (w *Writer) Pairs(field string, value []Pair, limit, each, sum int) {
	if !w.fits(field, len(value), limit) || !w.fits(field, SizePairs(value)-longPrefix-pairPrefix*len(value), sum) {
		return
	}
	if i := duplicate(value); i >= 0 {
		w.err = &Error{Message: w.message, Field: field, Err: ErrDuplicate, Got: uint64(i)}
		return
	}
	w.Uint32(uint32(len(value)))
	for _, p := range value {
		w.String(field, p.Key, maxString)
		w.LongString(field, p.Value, each)
	}
}

// Frames checks that at most limit frames follow the first; sending them is
// up to the caller.
func (w *Writer) Frames(field string, value [][]byte, limit int) {
	w.fits(field, len(value), limit)
}

// fits keeps a fault if length is over the limit; it is false after any fault.
func (w *Writer) fits(field string, length, limit int) bool {
	if w.err == nil && length > limit {
		w.err = &Error{Message: w.message, Field: field, Err: ErrLimit, Got: uint64(length), Want: uint64(limit)}
	}
	return w.err == nil
}
