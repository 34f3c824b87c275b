//go:build !unix

package main

import "os"

// notifyResized does nothing: no signal tells of another size here, and what is drawn next
// has it.
func notifyResized(chan<- os.Signal) {}
