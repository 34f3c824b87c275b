package main

import (
	"strings"

	"github.com/rivo/uniseg"
)

// maxTyped is how many octets a line has that is typed.
const maxTyped = 1 << 16

// edited is a line that is being typed: what is before the cursor, and what is after it. The
// cursor is always between characters as people see them, marks and joined emoji included.
type edited struct{ before, after string }

func (e *edited) text() string { return e.before + e.after }

// insert puts text before the cursor, and tells whether it had room.
func (e *edited) insert(text string) bool {
	if len(e.before)+len(e.after)+len(text) > maxTyped {
		return false
	}
	e.before += text
	return true
}

// left moves the cursor over one character.
func (e *edited) left() { e.moveTo(lastCharacter(e.before)) }

// right moves it back over one.
func (e *edited) right() { e.moveTo(len(e.before) + firstCharacter(e.after)) }

// moveTo moves the cursor behind so many octets.
func (e *edited) moveTo(at int) {
	all := e.text()
	e.before, e.after = all[:at], all[at:]
}

func (e *edited) home() { e.moveTo(0) }
func (e *edited) end()  { e.moveTo(len(e.text())) }

// wordLeft moves the cursor to the beginning of a word.
func (e *edited) wordLeft() { e.moveTo(lastWord(e.before)) }

// wordRight moves it to the next.
func (e *edited) wordRight() {
	rest := strings.TrimLeft(e.after, " ")
	if end := strings.IndexByte(rest, ' '); end >= 0 {
		e.moveTo(len(e.text()) - len(strings.TrimLeft(rest[end:], " ")))
	} else {
		e.end()
	}
}

func (e *edited) backspace()   { e.before = e.before[:lastCharacter(e.before)] }
func (e *edited) delete()      { e.after = e.after[firstCharacter(e.after):] }
func (e *edited) deleteWord()  { e.before = e.before[:lastWord(e.before)] }
func (e *edited) deleteLeft()  { e.before = "" }
func (e *edited) deleteRight() { e.after = "" }

// firstCharacter returns how long the first character of a text is.
func firstCharacter(text string) int {
	cluster, _, _, _ := uniseg.FirstGraphemeClusterInString(text, -1)
	return len(cluster)
}

// lastCharacter returns where the last character of a text begins.
func lastCharacter(text string) (at int) {
	for rest, state := text, -1; rest != ""; {
		at = len(text) - len(rest)
		_, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
	}
	return at
}

// lastWord returns where the last word of a text begins.
func lastWord(text string) int {
	return strings.LastIndexByte(strings.TrimRight(text, " "), ' ') + 1
}

// window returns what of the line so many cells of a terminal show, of which the cursor
// takes one: all, or what is around the cursor. What is missing is told by an ellipsis.
func (e *edited) window(cells int) (before, after string) {
	before, after = clean(e.before), clean(e.after)
	if width(before)+width(after) < cells {
		return before, after
	}
	space := cells - 1
	beside := min(width(after), space/4)
	before = ending(before, space-beside)
	return before, cut(after, space-width(before))
}

// ending returns clean text, or if it does not fit into so many cells an ellipsis and its end.
func ending(s string, cells int) string {
	excess := width(s) - cells
	if excess <= 0 {
		return s
	}
	if cells <= 0 {
		return ""
	}
	for rest, state := s, -1; rest != ""; {
		var wide int
		_, rest, wide, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if excess -= wide; excess < 0 { // the ellipsis takes a cell too
			return "…" + rest
		}
	}
	return "…"
}

// history is what was typed before.
type history struct {
	lines []string // the latest last
	at    int      // of the line that is shown; as many as there are if it is a new one
	fresh string   // the new one, while another is shown
}

// maxHistory is how many lines are kept.
const maxHistory = 100

func (h *history) add(line string) {
	if n := len(h.lines); line != "" && (n == 0 || h.lines[n-1] != line) {
		h.lines = append(h.lines[max(0, n+1-maxHistory):], line)
	}
	h.at = len(h.lines)
}

// move replaces a line by an older one, or with 1 by a later one.
func (h *history) move(by int, e *edited) {
	to := h.at + by
	if to < 0 || to > len(h.lines) {
		return
	}
	if h.at == len(h.lines) {
		h.fresh = e.text()
	}
	text := h.fresh
	if to < len(h.lines) {
		text = h.lines[to]
	}
	h.at, *e = to, edited{before: text}
}
