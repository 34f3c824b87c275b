package identity

import (
	"crypto/ecdh"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/sjohnr/at-once/src/z85"
)

// certificate writes a public key as zcert does.
func certificate(key *ecdh.PublicKey) []byte {
	return properties("Public certificate of CURVE. Who is to trust this node needs it.",
		"metadata\ncurve", "public-key", z85.Encode(key.Bytes()))
}

// LoadCertificate returns the key of a certificate with its secret key that CZMQ's zcert
// has saved. As zcert_load does, it looks into FILE_secret first, and then into FILE. The
// error is fs.ErrNotExist if there is neither, ErrMode if others have rights on it, and
// ErrMalformed if it is not right.
func LoadCertificate(file string) (*ecdh.PrivateKey, error) {
	for _, name := range []string{file + "_secret", file} {
		key, err := read(directory(filepath.Dir(name)), filepath.Base(name), ofSecret, secretIn)
		if err != nil || key != nil {
			return key, err
		}
	}
	return nil, fmt.Errorf("%s_secret, and %s: %w", file, file, fs.ErrNotExist)
}

// errPair is what is wrong with a certificate that is put together from two.
var errPair = errors.New("its public key is not that of its secret key")

// secretIn returns the key of a secret certificate, as zcert saves it.
func secretIn(text string) (*ecdh.PrivateKey, error) {
	secret, err := keyIn(text, "curve", "secret-key")
	if err != nil {
		return nil, err
	}
	key, err := ecdh.X25519().NewPrivateKey(secret[:])
	if err != nil {
		return nil, err
	}
	public, err := keyIn(text, "curve", "public-key")
	if err == nil && string(public[:]) != string(key.PublicKey().Bytes()) {
		err = errPair
	}
	return key, err
}

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

// in returns what a line holds that is written down, and that parse reads.
func in[T any](word, line string, most int, parse func([]byte) (T, error)) (value T, err error) {
	octets, err := unwritten(word, strings.TrimSuffix(line, "\n"), most)
	if err == nil {
		value, err = parse(octets)
	}
	return value, err
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
