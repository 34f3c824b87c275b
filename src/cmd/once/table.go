package main

import (
	"bytes"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/term"
)

// wideEnough is how many columns a terminal has that shows addresses too.
const wideEnough = 60

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
	cells := columns - tableGap*(len(t.head)-1)
	widths, all := t.widths()
	if all > cells {
		t.shorten("ID")
		widths, _ = t.widths()
	}
	shrink(widths, cells)
	lines := append([][]string{t.head}, t.rows...)
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

// widths returns how many cells each column needs, and all of them.
func (t table) widths() (widths []int, all int) {
	widths = make([]int, len(t.head))
	for i, head := range t.head {
		widths[i] = width(head)
		for _, row := range t.rows {
			widths[i] = max(widths[i], width(cut(row[i], cellWidth)))
		}
		all += widths[i]
	}
	return widths, all
}

// shorten leaves of the ids in a column the digits that tell each from the others, which are
// enough wherever an id is asked for.
func (t table) shorten(head string) {
	i := slices.Index(t.head, head)
	if i < 0 {
		return
	}
	ids := make([]known, len(t.rows))
	for row, cells := range t.rows {
		id, err := uuid.Parse(cells[i])
		if err != nil { // they are short already
			return
		}
		ids[row] = known{id: id}
	}
	for row, cells := range t.rows {
		cells[i] = ids[row].digits(ids)
	}
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

// joined returns cells, each in its shape, with tabs between them.
func joined(cells []string, shape func(string) string) string {
	for i, cell := range cells {
		cells[i] = shape(cell)
	}
	return strings.Join(cells, "\t")
}
