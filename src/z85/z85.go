// Package z85 writes octets as text that is safe in source code and on command
// lines: four octets in five characters (ZeroMQ RFC 32).
//
// Programs import bindings/go/once: what is here may change at any time.
package z85

import (
	"encoding/binary"
	"errors"
	"strings"
)

const alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"

// Err is returned for text that no octets encode to.
var Err = errors.New("z85: not 5 characters of the alphabet for each 4 octets")

// Encode returns the text of octets, whose number must be divisible by four.
func Encode(octets []byte) string {
	text := make([]byte, 0, len(octets)/4*5)
	for ; len(octets) >= 4; octets = octets[4:] {
		n := binary.BigEndian.Uint32(octets)
		text = append(text, make([]byte, 5)...)
		for i := range 5 {
			text[len(text)-1-i] = alphabet[n%85]
			n /= 85
		}
	}
	return string(text)
}

// Decode is the inverse of Encode. Each text has one meaning at most: groups that
// stand for more than 32 bits are refused.
func Decode(text string) ([]byte, error) {
	if len(text)%5 != 0 {
		return nil, Err
	}
	octets := make([]byte, 0, len(text)/5*4)
	for ; len(text) > 0; text = text[5:] {
		var n uint64
		for i := range 5 {
			digit := strings.IndexByte(alphabet, text[i])
			if digit < 0 {
				return nil, Err
			}
			n = n*85 + uint64(digit)
		}
		if n > 0xFFFFFFFF {
			return nil, Err
		}
		octets = binary.BigEndian.AppendUint32(octets, uint32(n))
	}
	return octets, nil
}

// Key decodes a key of 32 octets, as CURVE has them.
func Key(text string) (key [32]byte, err error) {
	octets, err := Decode(text)
	if err == nil && len(octets) != len(key) {
		err = Err
	}
	copy(key[:], octets)
	return key, err
}
