package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxMessage is how many octets of content are sent; with its header, less than nodes take.
const maxMessage = defaultMaxMessage - 1<<10

// maxWritten is the most octets that a backup has, or a text that somebody was given.
const maxWritten = 16 << 20

// errTooLong says that there is more to read than is taken.
var errTooLong = errors.New("longer than can be read")

// read returns the message that the arguments are, or ask to read.
func read(ctx context.Context, args []string) ([]byte, error) {
	if len(args) > 1 || args[0] != "-" {
		return []byte(strings.Join(args, " ")), nil
	}
	message, err := readInput(ctx, maxMessage)
	if errors.Is(err, errTooLong) {
		err = fmt.Errorf("%w: send it in parts", err)
	}
	return message, err
}

// readInput returns what standard input has, which is so many octets at the most.
func readInput(ctx context.Context, most int) (content []byte, err error) {
	done := make(chan struct{})
	go func() { // nothing can interrupt a read that hangs: it ends with the process
		defer close(done)
		content, err = readAll(os.Stdin, "standard input", most)
	}()
	select {
	case <-done:
		return content, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// readAll returns all that something with a name has, which is so many octets at the most.
func readAll(from io.Reader, name string, most int) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(from, int64(most)+1))
	if err == nil && len(content) > most {
		return nil, fmt.Errorf("%s is %w: at most %d octets", name, errTooLong, most)
	}
	return content, err
}

// readFile returns what is in a file that somebody has written.
func readFile(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readAll(file, name, maxWritten)
}

// readWord returns an argument, or standard input if it is -, without white space
// around it.
func readWord(ctx context.Context, arg, what string) (string, error) {
	if arg != "-" {
		return strings.TrimSpace(arg), nil
	}
	if isTerminal(os.Stdin) {
		advise("paste the %s, then press Enter and Ctrl-D", what)
	}
	text, err := readInput(ctx, maxWritten)
	return strings.TrimSpace(string(text)), err
}
