package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"

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
	lines    chan typed        // closed at the end of a pipe
	err      error             // once lines is closed: why, nil for the end of input
	prompt   func(text string) // sets that of the next line, and of this one when something arrives
	close    func() error      // leaves the terminal as it was
}

// openScreen prompts and begins to read lines, until ctx ends. When the user ends the input at
// a terminal, it calls end. The goroutine that reads may be stuck in a read that
// nothing can interrupt; it ends with the process then.
func openScreen(ctx context.Context, end context.CancelCauseFunc, prompt string, offer offering) (*screen, error) {
	s := &screen{
		Writer:   os.Stdout,
		terminal: isTerminal(os.Stdout),
		piped:    !isTerminal(os.Stdin),
		log:      os.Stderr,
		lines:    make(chan typed),
		prompt:   func(string) {},
		close:    func() error { return nil },
	}
	plain := os.Getenv("TERM") == "dumb"
	s.colour = s.terminal && !plain && os.Getenv("NO_COLOR") == ""
	if !s.terminal || s.piped || plain {
		go s.read(ctx, pipeLines(os.Stdin))
		return s, nil
	}
	return s, s.edit(ctx, end, prompt, offer)
}

// edit has the lines typed in the last row of the terminal.
func (s *screen) edit(ctx context.Context, end context.CancelCauseFunc, prompt string, offer offering) error {
	in := int(os.Stdin.Fd())
	before, err := term.MakeRaw(in)
	if err != nil {
		return fmt.Errorf("set up the terminal: %w", err)
	}
	columns := func() int { columns, _ := terminalSize(os.Stdout); return columns }
	editor := &editor{out: os.Stdout, columns: columns, offer: offer, wait: newLineQueue(), prompt: prompt}
	s.Writer, s.log, s.prompt = editor, editor, editor.setPrompt
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { editor.wait.pass(ctx, s.lines) })
	running.Go(func() {
		if err := whenResized(ctx, editor.resized); err != nil {
			end(err)
		}
	})
	s.close = func() error {
		cancel()
		running.Wait()
		return errors.Join(editor.close(), term.Restore(in, before))
	}
	if err := editor.open(); err != nil {
		return errors.Join(err, s.close())
	}
	go func() { end(feed(os.Stdin, editor.feed)) }()
	return nil
}

// feed passes on what is read until that ends, or what takes it.
func feed(r io.Reader, take func([]byte) error) error {
	var b [4096]byte
	for {
		n, err := r.Read(b[:])
		if n > 0 {
			if err := take(b[:n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return errQuit
		case err != nil:
			return fmt.Errorf("standard input: %w", err)
		}
	}
}

// whenResized calls do whenever the terminal has another size, until ctx ends or it fails.
func whenResized(ctx context.Context, do func() error) error {
	resized := make(chan os.Signal, 1)
	notifyResized(resized)
	defer signal.Stop(resized)
	for {
		select {
		case <-resized:
			if err := do(); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// read reads lines from a pipe.
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
		case s.lines <- typed{text: line}:
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
