package files

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncefiles"
)

// Kinds of entries.
const (
	kindFile       = 1
	kindExecutable = 2
	kindFolder     = 3
)

// entry is a file or folder of a transfer. The first is the listing of the others.
type entry struct {
	path   string
	kind   uint8
	octets uint64
	before uint64      // octets of the files before it
	source string      // where it is, if it is sent
	info   fs.FileInfo // what it was when it was added
}

// tree is what is in a transfer. Folders come before what is in them.
type tree struct {
	entries []entry
	total   uint64 // octets of all files
	folded  map[string]bool
	leftOut []string
}

// add takes an entry, if its path is one that nobody has to fear.
func (t *tree) add(e entry) error {
	if err := checkPath(e.path); err != nil {
		return err
	}
	folded := fold(e.path)
	if t.folded[folded] {
		return fmt.Errorf("%w: %.80q is there twice, or differs in case or form only", api.ErrBadName, e.path)
	}
	t.folded[folded] = true
	e.before = t.total
	t.total += e.octets
	t.entries = append(t.entries, e)
	return nil
}

// listing returns the entries as they are sent.
func (t *tree) listing() ([]byte, error) {
	var l oncefiles.Listing
	for _, e := range t.entries[1:] {
		l.Paths, l.Kinds = append(l.Paths, e.path), append(l.Kinds, e.kind)
		l.Sizes = binary.BigEndian.AppendUint64(l.Sizes, e.octets)
	}
	b, err := l.AppendTo(nil)
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", api.ErrTooManyFiles, err)
	}
	return b, nil
}

// partialSuffix ends the name of a file that is not complete.
const partialSuffix = ".once-partial"

// checkPath returns an error that is ErrBadName if a path is none that a transfer may
// have on this system.
func checkPath(p string) error {
	for part := range strings.SplitSeq(p, "/") {
		if problem := problemOf(part); problem != "" {
			return fmt.Errorf("%w: %.80q %s", api.ErrBadName, p, problem)
		}
	}
	switch {
	case strings.HasPrefix(p, "."):
		return fmt.Errorf("%w: %.80q is hidden; what is in a folder may be", api.ErrBadName, p)
	case len(p) > oncefiles.MaxPath:
		return fmt.Errorf("%w: %.80q is too long", api.ErrBadName, p)
	}
	return nil
}

// problemOf returns what is wrong with a part of a path, or nothing.
func problemOf(part string) string {
	switch {
	case part == "" || part == "." || part == ".." || !filepath.IsLocal(part): // devices, on Windows
		return "leads elsewhere"
	case len(part) > oncefiles.MaxPart:
		return "is too long"
	case strings.HasSuffix(fold(part), partialSuffix):
		return "has the name of a file that is not complete"
	case !utf8.ValidString(part) || strings.ContainsFunc(part, misleads):
		return "has a character that does not show as itself"
	case runtime.GOOS == "windows" && (strings.ContainsAny(part, `<>:"\|?*`) || strings.HasSuffix(part, ".") || strings.HasSuffix(part, " ")):
		return "has a character that means something else on Windows"
	}
	return ""
}

// misleads tells whether a character controls what shows it: a control character, a line
// break, or one that changes the direction of text.
func misleads(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

// fold returns what names have in common that a file system may take for the same.
func fold(name string) string {
	return norm.NFC.String(strings.ToLower(strings.ToUpper(norm.NFC.String(name))))
}
