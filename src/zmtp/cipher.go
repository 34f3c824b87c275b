package zmtp

import (
	"crypto/subtle"
	"encoding/binary"
	"fmt"

	//lint:ignore SA1019 secretbox would derive the key of the stream anew for each frame
	"golang.org/x/crypto/poly1305"
	//lint:ignore SA1019 as above
	libsalsa "golang.org/x/crypto/salsa20/salsa"

	"github.com/sjohnr/at-once/src/salsa"
)

// A MESSAGE of CURVE is a frame whose body is name, nonce, MAC and sealed octets,
// of which the first has the flags of the frame inside (RFC 26, "MESSAGE Command").
const (
	messageName   = "\x07MESSAGE"
	messageNonce  = len(messageName)
	messageMAC    = messageNonce + 8
	messageSealed = messageMAC + poly1305.TagSize // as much as the stream spends on the key of the MAC
	sealOverhead  = messageSealed + 1
)

// The flags of the frame inside. RFC 26 knows only the first; the other is what
// libzmq sets for a PING and takes for a command, and is not the flag of ZMTP.
const (
	messageMore    = 1 << 0
	messageCommand = 1 << 1
)

const salsaBlock = 64

// Cipher protects the frames of an open CURVE connection, each by itself. One
// goroutine may seal while another opens.
type Cipher struct {
	out, in stream
	block   [4 * salsaBlock]byte // of the stream in; to make four at once takes hardly longer than two
}

// stream is XSalsa20 with Poly1305 in one direction. The first part of the nonce
// never changes there, so that the key of Salsa20 is derived once.
type stream struct {
	key   [32]byte
	last  uint64   // nonce, of those of the handshake too
	start [16]byte // nonce and number of the block
	mac   [32]byte // key of the MAC
}

// setKeys ends the handshake: messages are sealed with the key of a box and what
// begins the nonces of either direction.
func (c *Cipher) setKeys(box *[32]byte, out, in string) {
	libsalsa.HSalsa20(&c.out.key, (*[16]byte)([]byte(out)), box, &libsalsa.Sigma)
	libsalsa.HSalsa20(&c.in.key, (*[16]byte)([]byte(in)), box, &libsalsa.Sigma)
}

func (s *stream) seek(nonce uint64, block byte) {
	binary.BigEndian.PutUint64(s.start[:], nonce)
	s.start[8] = block
}

// advance notes the nonce of a command that came. It has to be above the last.
func (s *stream) advance(nonce uint64) error {
	if nonce <= s.last {
		return fmt.Errorf("%w: nonce %d after %d", ErrCurve, nonce, s.last)
	}
	s.last = nonce
	return nil
}

// Portion returns as many of frames as take no more than most octets when they are
// sealed, but at least the first, and the octets that they take. Frames are whole.
func Portion(frames []byte, most int) (portion []byte, size int) {
	end := 0
	for end < len(frames) {
		_, head, n := splitHeader(frames[end:])
		next := size + FrameSize(int(n)+sealOverhead)
		if end > 0 && next > most {
			break
		}
		size, end = next, end+head+int(n)
	}
	return frames[:end], size
}

// Seal appends the protected form of frames, which are whole, to b, which has room
// for it (see Portion).
func (c *Cipher) Seal(b, frames []byte) []byte {
	for len(frames) > 0 {
		flags, head, n := splitHeader(frames)
		end := head + int(n)
		inside := flags & flagMore
		if flags&flagCommand != 0 {
			inside = messageCommand
		}
		b = c.out.seal(b, inside, frames[head:end])
		frames = frames[end:]
	}
	return b
}

// seal lets the stream run over the room before the sealed octets too: what comes
// out there is the key of the MAC.
func (s *stream) seal(b []byte, flags byte, content []byte) []byte {
	b = AppendHeader(b, sealOverhead+len(content), false)
	from := len(b)
	b = b[:from+sealOverhead+len(content)]
	body := b[from:]
	clear(body[:messageSealed])
	body[messageSealed] = flags
	copy(body[sealOverhead:], content)
	s.last++
	s.seek(s.last, 0)
	salsa.XORKeyStream(body, body, &s.start, &s.key)
	copy(s.mac[:], body)
	copy(body, messageName)
	copy(body[messageNonce:], s.start[:8])
	poly1305.Sum((*[poly1305.TagSize]byte)(body[messageMAC:]), body[messageSealed:], &s.mac)
	return b
}

// Open undoes Seal in place for the body of one received frame: flags are those of
// ZMTP, content is the end of body.
func (c *Cipher) Open(body []byte) (flags byte, content []byte, err error) {
	if len(body) < sealOverhead || string(body[:messageNonce]) != messageName {
		return 0, nil, fmt.Errorf("%w: frame that is no MESSAGE", ErrProtocol)
	}
	s := &c.in
	if err := s.advance(binary.BigEndian.Uint64(body[messageNonce:])); err != nil {
		return 0, nil, err
	}
	sealed := body[messageSealed:]
	block := c.block[:min(len(c.block), messageSealed+len(sealed))]
	clear(block)
	s.seek(s.last, 0)
	salsa.XORKeyStream(block, block, &s.start, &s.key)
	copy(s.mac[:], block)
	if !poly1305.Verify((*[poly1305.TagSize]byte)(body[messageMAC:]), sealed, &s.mac) {
		return 0, nil, fmt.Errorf("%w: MESSAGE does not open", ErrCurve)
	}
	rest := sealed[subtle.XORBytes(sealed, sealed, block[messageSealed:]):]
	s.seek(s.last, byte(len(c.block)/salsaBlock))
	salsa.XORKeyStream(rest, rest, &s.start, &s.key)
	switch sealed[0] {
	case 0:
	case messageMore:
		flags = flagMore
	case messageCommand:
		flags = flagCommand
	default:
		return 0, nil, fmt.Errorf("%w: flags %#02x in a MESSAGE", ErrProtocol, sealed[0])
	}
	return flags, sealed[1:], nil
}
