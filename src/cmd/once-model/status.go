package main

import (
	"fmt"
)

// The exit statuses that all commands share.
const (
	exitFailed = 1
	exitUsage  = 2
)

// status is an exit status that says what was found. What was found is printed by then.
type status int

func (s status) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// usageError is a mistake in the command line.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// pathOf returns the path that a command is given, or the current folder.
func pathOf(args []string) string {
	if len(args) == 0 {
		return "."
	}
	return args[0]
}
