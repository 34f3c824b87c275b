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
	wordInvite     = "once:"
	wordToken      = "once-token:"
	wordRevocation = "once-revoked:"
)

var encoding = base64.RawURLEncoding.Strict() // RFC 4648, 5

func written(word string, octets []byte) string { return word + encoding.EncodeToString(octets) }

// unwritten is the inverse of written, for at most so many octets.
func unwritten(word, text string, most int) ([]byte, error) {
	encoded, ok := strings.CutPrefix(text, word)
	if !ok || len(encoded) > encoding.EncodedLen(most) || strings.ContainsAny(encoded, "\r\n") {
		return nil, fmt.Errorf("%w: not %s and at most %d octets in base64", ErrMalformed, word, most)
	}
	octets, err := encoding.DecodeString(encoded)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return octets, nil
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
