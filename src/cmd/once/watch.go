package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// Control sequences of a terminal.
const (
	tableBegin = "\x1b[?1049h\x1b[?25l\x1b[?7l" // another screen, without cursor and wrapping
	tableEnd   = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	topLeft    = "\x1b[H"
	clearRight = "\x1b[K"
)

const (
	latestChanges = 6                      // lines of what has changed, below the table
	drawAgain     = 100 * time.Millisecond // from a change on, so that many are drawn at once
	measureAgain  = time.Second
)

// watch shows who is here until ctx ends: on a terminal a table that is kept up to date; else
// a line for each change. It starts a node that logs to a writer.
func watch(ctx context.Context, asJSON bool, start func(log io.Writer) (*once.Node, error)) error {
	inTable := !asJSON && isTerminal(os.Stdout) && os.Getenv("TERM") != "dumb"
	latest := new(latestLines)
	log := io.Writer(os.Stderr)
	if inTable { // which what is logged is not to garble
		log = latest
	}
	node, err := start(log)
	if err != nil {
		return err
	}
	defer node.Close()
	switch {
	case inTable:
		return watchTable(ctx, node, latest)
	case asJSON:
		return listen(ctx, node, os.Stdout, ofPeers(printJSON))
	}
	return listen(ctx, node, os.Stdout, ofPeers(textPrinter(false)))
}

// watchTable shows the table on the terminal, and leaves that as it was.
func watchTable(ctx context.Context, node *once.Node, latest *latestLines) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	restore, err := watchKeys(cancel)
	if err != nil {
		return err
	}
	v := &viewer{meter: newMeter(node), latestLines: latest, node: node, w: os.Stdout,
		size: func() (columns, rows int) { return terminalSize(os.Stdout) }}
	_, err = io.WriteString(os.Stdout, tableBegin)
	err = cmp.Or(err, v.run(ctx))
	_, shown := io.WriteString(os.Stdout, tableEnd)
	return errors.Join(err, shown, restore())
}

// watchKeys has a key that ends the table call end, and returns what leaves the keyboard as it
// was. The goroutine that reads it may be stuck in a read; it ends with the process then.
func watchKeys(end context.CancelCauseFunc) (restore func() error, err error) {
	in := int(os.Stdin.Fd())
	if !isTerminal(os.Stdin) {
		return func() error { return nil }, nil
	}
	before, err := term.MakeRaw(in)
	if err != nil {
		return nil, fmt.Errorf("set up the terminal: %w", err)
	}
	go func() {
		end(feed(os.Stdin, func(b []byte) error {
			if bytes.ContainsAny(b, "qQ\x03\x04") {
				return errQuit
			}
			return nil
		}))
	}()
	return func() error { return term.Restore(in, before) }, nil
}

// ofPeers returns show for events other than messages.
func ofPeers(show func(io.Writer, once.Event) error) func(io.Writer, once.Event) error {
	return func(w io.Writer, event once.Event) error {
		if isContent(event) {
			return nil
		}
		return show(w, event)
	}
}

// viewer draws a table of peers. But for what measures round trips and what takes events, it
// is one goroutine.
type viewer struct {
	*meter
	*latestLines
	node *once.Node
	w    io.Writer
	size func() (columns, rows int)
	work sync.WaitGroup
}

// latestLines keeps the latest lines of what has changed, or was logged. It is safe for
// concurrent use.
type latestLines struct {
	mu    sync.Mutex
	lines []string
	dirty bool // there is something to draw
}

// Write takes whole lines.
func (l *latestLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, strings.Split(strings.TrimSuffix(string(p), "\n"), "\n")...)
	l.lines, l.dirty = l.lines[max(len(l.lines)-latestChanges, 0):], true
	return len(p), nil
}

// change notes that there is something to draw.
func (l *latestLines) change() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dirty = true
}

// take returns the lines, and whether there was something to draw.
func (l *latestLines) take() (lines []string, dirty bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	dirty, l.dirty = l.dirty, false
	return slices.Clone(l.lines), dirty
}

// run draws until ctx or the node ends, which is no error, or the terminal takes no more.
func (v *viewer) run(ctx context.Context) (err error) {
	ctx, end := context.WithCancelCause(ctx)
	defer v.work.Wait()
	defer end(nil)
	v.work.Go(func() { end(v.follow(ctx)) })
	v.work.Go(func() {
		_ = whenResized(ctx, func() error { v.change(); return nil }) // which does not fail
	})
	measure := time.NewTicker(measureAgain)
	defer measure.Stop()
	again := time.NewTicker(drawAgain)
	defer again.Stop()
	v.measure(ctx, &v.work)
	v.change()
	for err == nil {
		if lines, dirty := v.take(); dirty {
			err = v.draw(lines)
		}
		select {
		case <-again.C:
		case <-measure.C:
			v.measure(ctx, &v.work)
			v.change()
		case <-ctx.Done():
			if cause := context.Cause(ctx); !errors.Is(cause, errQuit) && !errors.Is(cause, context.Canceled) && !errors.Is(cause, once.ErrStopped) {
				return cause
			}
			return nil
		}
	}
	return err
}

// follow takes down what happens to peers until ctx ends.
func (v *viewer) follow(ctx context.Context) error {
	show := ofPeers(textPrinter(true))
	for {
		event, err := v.node.Next(ctx)
		if err == nil {
			err = show(v.latestLines, event)
		}
		if err != nil {
			return err
		}
	}
}

// draw writes all at once, cut to the size of the terminal.
func (v *viewer) draw(latest []string) error {
	columns, rows := v.size()
	peers := v.node.Peers()
	slices.SortStableFunc(peers, func(a, b once.Peer) int { return cmp.Compare(a.Name(), b.Name()) })
	latest = latest[max(len(latest)-rows/4, 0):] // a low terminal is for peers
	shown := min(len(peers), max(rows-len(latest)-5, 1))
	var text bytes.Buffer
	fmt.Fprintf(&text, "%d peers at %s; q ends; IN and OUT are messages and octets a second\n\n", len(peers), time.Now().Format(time.TimeOnly))
	if err := v.table(peers, shown, columns).print(&text, columns); err != nil {
		return err
	}
	if shown < len(peers) {
		fmt.Fprintf(&text, "and %d more\n", len(peers)-shown)
	}
	text.WriteString("\n" + strings.Join(latest, "\n"))
	lines := strings.Split(strings.TrimRight(text.String(), "\n"), "\n")
	for i, line := range lines {
		lines[i] = clearRight + cut(line, columns) // behind a full line it would clear the last cell
	}
	_, err := io.WriteString(v.w, topLeft+strings.Join(lines[:min(len(lines), rows)], "\r\n")+clearBelow)
	return err
}

// table returns the first of the peers, with figures.
func (v *viewer) table(peers []once.Peer, shown, columns int) table {
	t := table{head: []string{"NAME", "ID", "ADDRESS", "PROTECTION", "ROUND TRIP", "IN", "OUT", "GROUPS"}}
	all := knownPeers(peers)
	for i, p := range peers[:shown] {
		trip, in, out := v.of(p)
		t.rows = append(t.rows, []string{p.Name(), all[i].digits(all), host(p.Endpoint()), p.Protection().String(),
			trip, in, out, strings.Join(p.Groups(), ",")})
	}
	if columns < 100 {
		t.drop("ADDRESS")
	}
	if columns < wideEnough {
		t.drop("PROTECTION")
	}
	if columns < 50 {
		t.drop("OUT")
	}
	return t
}
