package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"golang.org/x/term"
)

// textLimit is how many octets of a message a terminal shows.
const textLimit = 4096

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// safe tells whether a terminal shows a character and does nothing else. Control
// characters, line breaks and changes of direction are not safe; the joiners that
// scripts and emoji need are.
func safe(r rune) bool { return unicode.IsGraphic(r) || r == '\u200c' || r == '\u200d' }

// clean returns text from the network as one line that is safe to show: what is
// not safe, or not UTF-8, is written as an escape sequence.
func clean(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if safe(r) && (r != utf8.RuneError || n > 1) {
			b.WriteString(s[:n])
		} else {
			quoted := strconv.Quote(s[:n])
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		s = s[n:]
	}
	return b.String()
}

// cleanJSON returns a JSON text with the characters that are not safe escaped;
// they can only be in strings.
func cleanJSON(text []byte) []byte {
	safely := make([]byte, 0, len(text))
	for _, r := range string(text) {
		if safe(r) || r > 0xffff { // no terminal obeys those above
			safely = utf8.AppendRune(safely, r)
		} else {
			safely = fmt.Appendf(safely, `\u%04x`, r)
		}
	}
	return safely
}

// content returns a message as one line; a bar parts its frames. If limit is not
// 0, the line shows no more than so many octets of the message.
func content(frames [][]byte, limit int) string {
	var b strings.Builder
	size := 0
	for i, frame := range frames {
		if i > 0 {
			b.WriteString(" | ")
		}
		if rest := limit - size; limit > 0 && len(frame) > rest {
			for rest > 0 && !utf8.RuneStart(frame[rest]) {
				rest--
			}
			return b.String() + clean(string(frame[:rest])) + fmt.Sprintf("… (%d octets)", octets(frames))
		}
		size += len(frame)
		b.WriteString(clean(string(frame)))
	}
	return b.String()
}

func octets(frames [][]byte) (n int) {
	for _, frame := range frames {
		n += len(frame)
	}
	return n
}

// width returns how many cells of a terminal clean text takes.
func width(s string) int { return uniseg.StringWidth(s) }

// cut returns clean text, shortened to a width in cells of a terminal. What it cuts off is
// whole characters, with their marks.
func cut(s string, cells int) string {
	s = clean(s)
	switch {
	case width(s) <= cells:
		return s
	case cells < 1:
		return ""
	}
	return fitting(s, cells-1) + "…"
}

// fitting returns the longest beginning of clean text that fits into so many cells.
func fitting(s string, cells int) string {
	fits := 0
	for rest, state := s, -1; rest != ""; {
		var cluster string
		var wide int
		cluster, rest, wide, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if cells -= wide; cells < 0 {
			break
		}
		fits += len(cluster)
	}
	return s[:fits]
}

// padded returns clean text as a column of so many cells: shortened, or with blanks.
func padded(s string, cells int) string {
	s = cut(s, cells)
	return s + strings.Repeat(" ", cells-width(s))
}

// cellWidth is the most characters of a cell that a terminal shows.
const cellWidth = 40
