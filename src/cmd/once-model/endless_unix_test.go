//go:build unix

package main

import "syscall"

// endless makes a file that does not end.
func endless(path string) error { return syscall.Mkfifo(path, 0o600) }
