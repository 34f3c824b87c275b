//go:build !unix

package main

import "os"

// endless makes what is no regular file: there are none that do not end.
func endless(path string) error { return os.Mkdir(path, 0o700) }
