package main

import (
	"bytes"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"
)

const (
	defaultColumns = 80 // of a terminal that does not tell
	defaultRows    = 24
	tableGap       = 2 // blanks between columns
	leastColumn    = 8 // cells that a column keeps, if it needs them
)

// terminalSize returns the columns and rows of the terminal that f is.
func terminalSize(f *os.File) (columns, rows int) {
	columns, rows, err := term.GetSize(int(f.Fd()))
	if err != nil || columns < 1 || rows < 1 { // a serial line has no size
		return defaultColumns, defaultRows
	}
	return columns, rows
}

// table is a head and rows of as many cells of text, which need not be clean.
type table struct {
	head []string
	rows [][]string
}

// drop leaves out a column.
func (t *table) drop(head string) {
	i := slices.Index(t.head, head)
	t.head = slices.Delete(t.head, i, i+1)
	for row, cells := range t.rows {
		t.rows[row] = slices.Delete(cells, i, i+1)
	}
}

// print writes the table at once, no wider than so many columns of a terminal: the widest
// columns give way first.
func (t table) print(w io.Writer, columns int) error {
	lines := append([][]string{t.head}, t.rows...)
	widths := make([]int, len(t.head))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], width(cut(cell, cellWidth)))
		}
	}
	shrink(widths, columns-tableGap*(len(widths)-1))
	var text bytes.Buffer
	for _, line := range lines {
		var row strings.Builder
		for i, cell := range line {
			row.WriteString(padded(cell, widths[i]) + strings.Repeat(" ", tableGap))
		}
		text.WriteString(cut(strings.TrimRight(row.String(), " "), columns) + "\n")
	}
	_, err := w.Write(text.Bytes())
	return err
}

// shrink takes from the widest columns until all of them fit into so many cells, or none has
// more than it keeps.
func shrink(widths []int, cells int) {
	total := 0
	for _, w := range widths {
		total += w
	}
	for ; total > cells; total-- {
		widest := 0
		for i, w := range widths {
			if w >= widths[widest] { // of equals the last gives way: the first tells who it is
				widest = i
			}
		}
		if widths[widest] <= leastColumn {
			return
		}
		widths[widest]--
	}
}
