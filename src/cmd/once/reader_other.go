//go:build !unix

package main

import "os"

// awaitReaderGone does nothing where the system does not tell that a reader has gone: the
// next write fails then.
func awaitReaderGone(*os.File, func()) (stop func(), err error) { return func() {}, nil }
