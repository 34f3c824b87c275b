package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxMessage is how many octets of content are sent; with its header, less than nodes take.
const maxMessage = defaultMaxMessage - 1<<10

// maxBackup is the most octets that are read of a backup.
const maxBackup = 16 << 20

// read returns the message that the arguments are, or ask to read.
func read(ctx context.Context, args []string) ([]byte, error) {
	if len(args) > 1 || args[0] != "-" {
		return []byte(strings.Join(args, " ")), nil
	}
	var message []byte
	var err error
	done := make(chan struct{})
	go func() { // nothing can interrupt a read that hangs: it ends with the process
		defer close(done)
		message, err = io.ReadAll(io.LimitReader(os.Stdin, maxMessage+1))
	}()
	select {
	case <-done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if len(message) > maxMessage {
		return nil, fmt.Errorf("standard input is longer than %d octets: send it in parts", maxMessage)
	}
	return message, err
}

// readFile returns what is in a file that is not too large.
func readFile(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxBackup+1))
	if err == nil && len(content) > maxBackup {
		err = fmt.Errorf("%s: larger than any backup", name)
	}
	return content, err
}

// readWord returns an argument, or standard input if it is -, without white space
// around it.
func readWord(ctx context.Context, arg, what string) (string, error) {
	if arg == "-" && isTerminal(os.Stdin) {
		advise("paste the %s, then press Enter and Ctrl-D", what)
	}
	text, err := read(ctx, []string{arg})
	return strings.TrimSpace(string(text)), err
}
