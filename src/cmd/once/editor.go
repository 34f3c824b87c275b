package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/rivo/uniseg"
)

// Control sequences of a terminal.
const (
	saveCursor    = "\x1b7"
	restoreCursor = "\x1b8"
	clearBelow    = "\x1b[J"
	clearScreen   = "\x1b[H\x1b[2J"
	askCursor     = "\x1b[6n"
	pasteOn       = "\x1b[?2004h"
	pasteOff      = "\x1b[?2004l"
)

const maxPasted = 1 << 20 // octets that are taken at once

// editor is the last row of a terminal, in which a line is typed, below what is written. The
// row never wraps: of a line that is longer, it shows what is around the cursor. That and
// the cursor's column are all that has to be known to draw it anew when the terminal has
// another width. Its methods are safe for concurrent use.
type editor struct {
	out     io.Writer
	columns func() int // of the terminal
	offer   offering
	wait    *lineQueue

	mu       sync.Mutex
	prompt   string
	line     edited
	history  history
	input    []byte   // the beginning of a key
	pasting  bool     // what comes is pasted
	paste    []byte   // what has come of it
	question []string // lines that were pasted, if it is asked whether to send them
	shown    bool     // whether the row is drawn
	left     string   // of it, what is left of the cursor
	cut      bool     // the terminal has cut the row, and not wrapped it, when it became narrower
	asked    bool     // it was asked where its cursor is
}

// Write writes whole lines above the row.
func (e *editor) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.draw(e.erasing() + strings.ReplaceAll(string(p), "\n", "\r\n")); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (e *editor) setPrompt(text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.prompt = text
}

// open draws the row for the first time.
func (e *editor) open() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.draw("\r" + clearBelow + pasteOn)
}

// close erases the row.
func (e *editor) close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, err := io.WriteString(e.out, e.erasing()+pasteOff)
	e.shown = false
	return err
}

// erasing returns what erases the row, and leaves the cursor where it began. A terminal that
// has become narrower may have made several of it.
func (e *editor) erasing() string {
	above, _ := wrapped(e.left, e.columns())
	switch {
	case !e.shown:
		return ""
	case e.cut || above == 0:
		return "\r" + clearBelow
	}
	return fmt.Sprintf("\x1b[%dA\r", above) + clearBelow
}

// wrapped returns where the cursor is behind a text that a terminal has wrapped: how many rows
// below its beginning, and at which column, from 0 on.
func wrapped(text string, columns int) (row, column int) {
	for state := -1; text != ""; {
		var wide int
		_, text, wide, state = uniseg.FirstGraphemeClusterInString(text, state)
		if column += wide; column > columns {
			row, column = row+1, wide
		}
	}
	if column == columns {
		return row + 1, 0
	}
	return row, column
}

// draw writes what is before the row and the row, at once.
func (e *editor) draw(before string) error {
	room := e.columns()
	prompt := cut(e.prompt, max(room/2, 1))
	var left, right string
	if e.question != nil {
		prompt = cut("send each line as a message? [y/N] ", room-1)
	} else {
		left, right = e.line.window(max(room-width(prompt), 2))
	}
	e.left, e.shown, e.cut, e.asked = prompt+left, true, false, false
	_, err := io.WriteString(e.out, before+prompt+left+saveCursor+right+restoreCursor)
	return err
}

// resized draws the row anew for another width. Where the cursor was beyond that, some
// terminals have wrapped the row and others have cut it: the cursor's column tells.
func (e *editor) resized() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch above, _ := wrapped(e.left, e.columns()); {
	case !e.shown:
		return nil
	case above == 0:
		return e.draw(e.erasing())
	}
	e.asked = true
	_, err := io.WriteString(e.out, askCursor)
	return err
}

// reported draws the row anew if it was asked at which column the cursor is.
func (e *editor) reported(column int) error {
	if !e.asked {
		return nil
	}
	last := e.columns() - 1
	_, expected := wrapped(e.left, e.columns())
	e.cut = column-1 == last && expected != last
	return e.draw(e.erasing())
}

// feed takes in what the terminal has sent. It returns errQuit when that ends the
// conversation.
func (e *editor) feed(b []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.input = append(e.input, b...)
	for {
		if e.pasting {
			text, rest, ended := pasted(e.input)
			if len(e.paste) <= maxPasted {
				e.paste = append(e.paste, text...)
			}
			if e.input = bytes.Clone(rest); !ended {
				return nil
			}
			e.pasting = false
			if err := e.pastedAll(); err != nil {
				return err
			}
		}
		p, rest, whole := nextPress(e.input)
		e.input = rest
		if !whole {
			e.input = bytes.Clone(rest)
			return e.draw(e.erasing())
		}
		if err := e.press(p); err != nil {
			return err
		}
	}
}

// press does what a key means.
func (e *editor) press(p press) error {
	switch {
	case p.key == keyReport:
		return e.reported(p.column)
	case p.key == keyPasteBegin:
		e.pasting, e.paste, e.question = true, nil, nil
		return nil
	case e.question != nil && p.key != keyNone:
		return e.answer(p)
	}
	switch p.key {
	case keyInterrupt:
		return errQuit
	case keyEOF:
		if e.line.text() == "" {
			return e.enter(typed{text: "/quit"})
		}
		e.line.delete()
	case keyEnter:
		text := e.line.text()
		if err := e.enter(typed{text: text}); err != nil {
			return err
		}
	case keyText:
		if !e.line.insert(p.text) {
			return e.note("a line has at most %d octets: send a file with once shout - or once whisper NAME -", maxTyped)
		}
	case keyTab:
		return e.complete()
	case keyUp:
		e.history.move(-1, &e.line)
	case keyDown:
		e.history.move(1, &e.line)
	case keyClear:
		return e.draw(clearScreen)
	default:
		if edit := edits[p.key]; edit != nil {
			edit(&e.line)
		}
	}
	return nil
}

// edits are what keys do to the line.
var edits = map[key]func(*edited){
	keyLeft: (*edited).left, keyRight: (*edited).right, keyHome: (*edited).home, keyEnd: (*edited).end,
	keyWordLeft: (*edited).wordLeft, keyWordRight: (*edited).wordRight,
	keyBackspace: (*edited).backspace, keyDelete: (*edited).delete, keyDeleteWord: (*edited).deleteWord,
	keyDeleteLeft: (*edited).deleteLeft, keyDeleteRight: (*edited).deleteRight,
}

// enter leaves the line on the screen as it is and begins another.
func (e *editor) enter(line typed) error {
	if !e.wait.put(line) {
		return e.note("not sent: %d lines wait already", maxWaits)
	}
	e.history.add(e.line.text())
	shown := e.erasing() + cut(e.prompt, e.columns()) + clean(e.line.text()) + "\r\n"
	e.line = edited{}
	return e.draw(shown)
}

// note writes a line above the row that nobody said. The caller has the lock.
func (e *editor) note(format string, args ...any) error {
	return e.draw(e.erasing() + "* " + fmt.Sprintf(format, args...) + "\r\n")
}

// complete completes what is before the cursor, or shows what there is to choose from.
func (e *editor) complete() error {
	before := e.line.before
	e.mu.Unlock() // the offer asks the node, which may log here
	replaced, choice := e.offer(before)
	e.mu.Lock()
	if e.line.before != before { // cannot be, as only feed changes it
		return nil
	}
	if len(replaced)+len(e.line.after) <= maxTyped {
		e.line.before = replaced
	}
	if len(choice) == 0 {
		return nil
	}
	return e.note("%s", strings.Join(choice, "  "))
}

// pastedAll takes in all that was pasted: one line as if it was typed, but not sent; several
// are shown, and sent if the answer is yes.
func (e *editor) pastedAll() error {
	text := strings.ToValidUTF8(string(e.paste), "\ufffd")
	e.paste = nil
	lines := strings.Split(strings.TrimSuffix(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n"), "\n")
	switch {
	case len(text) > maxPasted || len(lines) > maxWaits:
		return e.note("what was pasted is dropped: it has more than %d octets or %d lines; send a file with once shout - or once whisper NAME -", maxPasted, maxWaits)
	case len(lines) > 1:
		e.question = lines
		first, last := lines[0], lines[len(lines)-1]
		return e.note("pasted %d lines, %d octets, from %q to %q; to be said, no commands", len(lines), len(text),
			cut(first, cellWidth), cut(last, cellWidth))
	case !e.line.insert(lines[0]):
		return e.note("what was pasted is dropped: a line has at most %d octets", maxTyped)
	}
	return nil
}

// answer takes in whether the lines that were pasted are to be sent: after what stands before
// the cursor, and before what stands after it.
func (e *editor) answer(p press) error {
	lines := e.question
	e.question = nil
	if p.key != keyText || !strings.EqualFold(p.text, "y") {
		return e.note("not sent")
	}
	lines[0] = e.line.before + lines[0]
	lines[len(lines)-1] += e.line.after
	var said []typed
	for _, line := range lines {
		if line != "" {
			said = append(said, typed{line, true})
		}
	}
	if !e.wait.put(said...) {
		return e.note("not sent: %d lines wait already", maxWaits)
	}
	e.line = edited{}
	return e.note("%d lines are sent", len(said))
}

// offering completes what is before a cursor: it returns what that becomes, and what there
// is to choose from.
type offering func(before string) (replaced string, choice []string)
