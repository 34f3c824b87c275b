package identity

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sjohnr/at-once/src/z85"
)

// Messages are written down as a word that says what they are, and base64.
const (
	wordInvite  = "once:"
	wordToken   = "once-token:"
	wordRoll    = "once-roll:"
	wordNetwork = "once-network:" // and the seed of its key
)

var encoding = base64.RawURLEncoding.Strict()

// Base64 returns octets as text (RFC 4648, 5, without padding).
func Base64(octets []byte) string { return encoding.EncodeToString(octets) }

// ParseBase64 is the inverse of [Base64]. Each text has one meaning at most, and no two
// the same: bits to spare, padding and line breaks are refused.
func ParseBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") { // which package base64 would skip
		return nil, fmt.Errorf("%w: line breaks in base64", ErrMalformed)
	}
	octets, err := encoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return octets, nil
}

func written(word string, octets []byte) string { return word + Base64(octets) }

// unwritten is the inverse of written, for at most so many octets.
func unwritten(word, text string, most int) ([]byte, error) {
	encoded, ok := strings.CutPrefix(text, word)
	if !ok || len(encoded) > encoding.EncodedLen(most) {
		return nil, fmt.Errorf("%w: want %s and, in base64, at most %d octets after it", ErrMalformed, word, most)
	}
	return ParseBase64(encoded)
}

// properties writes a section of the ZeroMQ Property Language (RFC 4) with names and
// values in turn.
func properties(comment, section string, pairs ...string) []byte {
	text := fmt.Appendf(nil, "#   %s\n\n%s\n", comment, section)
	for pair := range slices.Chunk(pairs, 2) {
		text = fmt.Appendf(text, "    %s = \"%s\"\n", pair[0], pair[1])
	}
	return text
}

// keyIn returns the key that a section has under a name, in Z85 and quotes. Between
// the two are other names of the section, comments and empty lines.
func keyIn(text, section, name string) ([32]byte, error) {
	found := regexp.MustCompile(`(?m)^` + section + `\s*$(?:\s*(?:#.*|    .*)$)*?\s*^    ` +
		name + `\s*=\s*["'](\S{40})["']`).FindStringSubmatch(text)
	if found == nil {
		return [32]byte{}, fmt.Errorf("no %s in its section %s", name, section)
	}
	return z85.Key(found[1])
}
