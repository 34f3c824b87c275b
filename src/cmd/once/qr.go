package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
	"rsc.io/qr"
)

// quietZone is how many light modules are around a QR code (ISO/IEC 18004).
const quietZone = 4

// drawQR draws text as a QR code, two rows of it a line. Light modules are blocks,
// which is right where text is light on dark; a terminal is told to have it so.
func drawQR(out *os.File, text string) error {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return fmt.Errorf("draw a QR code: %w", err)
	}
	from, to := -quietZone, code.Size+quietZone
	begin, end := "", "\n"
	if isTerminal(out) {
		if width, _, err := term.GetSize(int(out.Fd())); err == nil && width < to-from {
			return fmt.Errorf("the terminal is too narrow for a QR code of %d columns: give the line above instead", to-from)
		}
		begin, end = "\x1b[97;40m", "\x1b[0m\n"
	}
	blocks := [...]string{"█", "▀", "▄", " "} // by which of two modules are dark
	var b strings.Builder
	for y := from; y < to; y += 2 {
		b.WriteString(begin)
		for x := from; x < to; x++ {
			dark := 0
			if code.Black(x, y) {
				dark = 2
			}
			if code.Black(x, y+1) {
				dark++
			}
			b.WriteString(blocks[dark])
		}
		b.WriteString(end)
	}
	_, err = io.WriteString(out, b.String())
	return err
}
