package main

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// key is what somebody does at a keyboard.
type key int

const (
	keyNone key = iota // what means nothing
	keyText            // a character, which is in the press
	keyEnter
	keyTab
	keyLeft
	keyRight
	keyWordLeft
	keyWordRight
	keyHome
	keyEnd
	keyUp
	keyDown
	keyBackspace
	keyDelete
	keyDeleteWord
	keyDeleteLeft
	keyDeleteRight
	keyClear
	keyInterrupt
	keyEOF
	keyPasteBegin
	keyPasteEnd
	keyReport // a terminal tells at which column its cursor is
)

// press is a key, and what comes with it.
type press struct {
	key    key
	text   string
	column int // of a report, from 1 on
}

// maxSequence is how many octets of a control sequence are waited for.
const maxSequence = 32

var controlKeys = map[byte]key{
	1: keyHome, 2: keyLeft, 3: keyInterrupt, 4: keyEOF, 5: keyEnd, 6: keyRight, 8: keyBackspace, '\t': keyTab,
	'\n': keyEnter, 11: keyDeleteRight, 12: keyClear, '\r': keyEnter, 14: keyDown, 16: keyUp, 21: keyDeleteLeft,
	23: keyDeleteWord, 127: keyBackspace,
}

// sequenceKeys are by what follows ESC.
var sequenceKeys = map[string]key{
	"[A": keyUp, "[B": keyDown, "[C": keyRight, "[D": keyLeft, "[H": keyHome, "[F": keyEnd,
	"OA": keyUp, "OB": keyDown, "OC": keyRight, "OD": keyLeft, "OH": keyHome, "OF": keyEnd,
	"[1~": keyHome, "[7~": keyHome, "[4~": keyEnd, "[8~": keyEnd, "[3~": keyDelete,
	"[1;5C": keyWordRight, "[1;5D": keyWordLeft, "[1;3C": keyWordRight, "[1;3D": keyWordLeft,
	"b": keyWordLeft, "f": keyWordRight, "\x7f": keyDeleteWord,
	"[200~": keyPasteBegin, "[201~": keyPasteEnd,
}

// nextPress returns the first key of what a terminal has sent, and the rest. If that is only
// the beginning of one, it returns false and all of it.
func nextPress(b []byte) (p press, rest []byte, whole bool) {
	switch {
	case len(b) == 0:
		return press{}, b, false
	case b[0] == 0x1b:
		n := sequence(b)
		if n == 0 {
			return press{}, b, false
		}
		return pressOf(string(b[1:n])), b[n:], true
	case b[0] < ' ' || b[0] == 0x7f:
		return press{key: controlKeys[b[0]]}, b[1:], true
	case !utf8.FullRune(b):
		return press{}, b, false
	}
	r, n := utf8.DecodeRune(b)
	if r == utf8.RuneError && n == 1 { // not UTF-8
		return press{}, b[1:], true
	}
	return press{key: keyText, text: string(b[:n])}, b[n:], true
}

// sequence returns how long the sequence is that begins with ESC, or 0 if it has no end yet.
func sequence(b []byte) int {
	switch {
	case len(b) == 1:
		return 0
	case b[1] == 'O' && len(b) < 3:
		return 0
	case b[1] == 'O':
		return 3
	case b[1] != '[':
		return 2
	}
	for i, c := range b[2:] {
		if c >= 0x40 && c <= 0x7e || i == maxSequence {
			return i + 3
		}
	}
	return 0
}

// pressOf returns what a sequence without its ESC means.
func pressOf(sequence string) press {
	if k, found := sequenceKeys[sequence]; found {
		return press{key: k}
	}
	if position, found := strings.CutSuffix(sequence, "R"); found {
		if _, column, two := strings.Cut(position, ";"); two {
			if n, err := strconv.Atoi(column); err == nil && n > 0 {
				return press{key: keyReport, column: n}
			}
		}
	}
	return press{}
}

// pasteEnd is what a terminal sends after what is pasted.
var pasteEnd = []byte("\x1b[201~")

// pasted parts what is pasted from what a terminal sends after it. If the end has not come,
// it returns false, and as rest what may be the beginning of the end.
func pasted(b []byte) (text, rest []byte, ended bool) {
	if i := bytes.Index(b, pasteEnd); i >= 0 {
		return b[:i], b[i+len(pasteEnd):], true
	}
	for n := min(len(pasteEnd)-1, len(b)); n > 0; n-- {
		if bytes.HasPrefix(pasteEnd, b[len(b)-n:]) {
			return b[:len(b)-n], b[len(b)-n:], false
		}
	}
	return b, nil, false
}
