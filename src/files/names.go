package files

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncefiles"
)

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
