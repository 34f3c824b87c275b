package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// Colours, as numbers of ANSI SGR sequences.
const (
	dim = 2
	red = 31 // the first of six
)

// screen is where a conversation is written and typed. On a terminal, the line
// that is being typed stays below what arrives. A Write is of whole lines and may
// come from any goroutine.
type screen struct {
	io.Writer
	terminal bool
	colour   bool
	piped    bool              // lines come from a pipe or file
	log      io.Writer         // lines that are no part of the conversation
	lines    chan string       // closed at the end of a pipe
	err      error             // once lines is closed: why, nil for the end of input
	prompt   func(text string) // sets that of the next line, and of this one when something arrives
	close    func() error      // leaves the terminal as it was
}

// openScreen prompts and begins to read lines, until ctx ends. When the user ends the input at
// a terminal, it calls end. The goroutine that reads may be stuck in a read that
// nothing can interrupt; it ends with the process then.
func openScreen(ctx context.Context, end context.CancelCauseFunc, prompt string) (*screen, error) {
	s := &screen{
		Writer:   os.Stdout,
		terminal: isTerminal(os.Stdout),
		piped:    !isTerminal(os.Stdin),
		log:      os.Stderr,
		lines:    make(chan string),
		prompt:   func(string) {},
		close:    func() error { return nil },
	}
	plain := os.Getenv("TERM") == "dumb"
	s.colour = s.terminal && !plain && os.Getenv("NO_COLOR") == ""
	if !s.terminal || s.piped || plain {
		go s.read(ctx, pipeLines(os.Stdin))
		return s, nil
	}
	in := int(os.Stdin.Fd())
	before, err := term.MakeRaw(in)
	if err != nil {
		return nil, fmt.Errorf("set up the terminal: %w", err)
	}
	editor := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{os.Stdin, os.Stdout}, prompt)
	s.Writer, s.log, s.prompt = editor, editor, editor.SetPrompt
	s.close = func() error {
		fmt.Println("\r")
		return term.Restore(in, before)
	}
	go func() {
		s.read(ctx, func() (string, error) {
			if width, height, err := term.GetSize(in); err == nil && width > 0 {
				if err := editor.SetSize(width, height); err != nil {
					return "", err
				}
			}
			return editor.ReadLine()
		})
		end(cmp.Or(s.err, errQuit))
	}()
	return s, nil
}

func (s *screen) read(ctx context.Context, next func() (string, error)) {
	defer close(s.lines)
	for {
		line, err := next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				s.err = fmt.Errorf("standard input: %w", err)
			}
			return
		}
		select {
		case s.lines <- line:
		case <-ctx.Done():
			return
		}
	}
}

// pipeLines returns what reads the next line, of at most maxMessage octets.
func pipeLines(r io.Reader) func() (string, error) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxMessage)
	return func() (string, error) {
		if scanner.Scan() {
			return scanner.Text(), nil
		}
		if err := scanner.Err(); err != nil {
			return "", err
		}
		return "", io.EOF
	}
}

// paint returns text in a colour, if the screen has any.
func (s *screen) paint(colour int, text string) string {
	if !s.colour {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", colour, text)
}
