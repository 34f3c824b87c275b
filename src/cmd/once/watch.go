package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// Control sequences of a terminal.
const (
	wrapOff   = "\x1b[?7l"
	wrapOn    = "\x1b[?7h"
	clearHome = "\x1b[H\x1b[J"
)

// latestChanges is how many lines of what has changed are below the table.
const latestChanges = 6

// watch shows who is here until ctx ends: on a terminal a table, drawn anew with
// each change; else a line for each change.
func watch(ctx context.Context, node *once.Node, asJSON bool) error {
	switch {
	case asJSON:
		return listen(ctx, node, os.Stdout, ofPeers(printJSON))
	case !isTerminal(os.Stdout) || os.Getenv("TERM") == "dumb":
		return listen(ctx, node, os.Stdout, ofPeers(textPrinter(false)))
	}
	fmt.Print(wrapOff)
	defer fmt.Print(wrapOn)
	return watchTable(ctx, node, os.Stdout, func() int {
		if _, height, err := term.GetSize(int(os.Stdout.Fd())); err == nil {
			return height
		}
		return 24
	})
}

// ofPeers returns show for events other than messages.
func ofPeers(show func(io.Writer, once.Event) error) func(io.Writer, once.Event) error {
	return func(w io.Writer, event once.Event) error {
		switch event.(type) {
		case *once.Whisper, *once.Shout:
			return nil
		}
		return show(w, event)
	}
}

func watchTable(ctx context.Context, node *once.Node, w io.Writer, height func() int) error {
	var changes []string
	show := ofPeers(textPrinter(true))
	for {
		if err := drawTable(w, node.Peers(), changes, height()); err != nil {
			return err
		}
		batch, err := node.NextBatch(ctx)
		switch {
		case ctx.Err() != nil || errors.Is(err, once.ErrStopped):
			return nil
		case err != nil:
			return err
		}
		var line bytes.Buffer
		for i := range batch.Len() {
			if err := show(&line, batch.At(i)); err != nil {
				return err
			}
			if line.Len() > 0 {
				changes = append(changes, line.String())
			}
			line.Reset()
		}
		changes = changes[max(len(changes)-latestChanges, 0):]
	}
}

// drawTable writes all at once, cut to the height of the terminal.
func drawTable(w io.Writer, peers []once.Peer, changes []string, height int) error {
	var screen bytes.Buffer
	fmt.Fprintf(&screen, "%s%d peers at %s; Ctrl-C ends\n\n", clearHome, len(peers), time.Now().Format(time.TimeOnly))
	shown := min(len(peers), max(height-len(changes)-6, 1))
	if err := printPeers(&screen, true, false, peers[:shown]); err != nil {
		return err
	}
	if shown < len(peers) {
		fmt.Fprintf(&screen, "and %d more\n", len(peers)-shown)
	}
	screen.WriteString("\n" + strings.Join(changes, ""))
	_, err := w.Write(screen.Bytes())
	return err
}
