//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// notifyResized passes on that the terminal has another size.
func notifyResized(c chan<- os.Signal) { signal.Notify(c, syscall.SIGWINCH) }
