//go:build !unix

package link

import "syscall"

// reuse: elsewhere an option that allows it would let others have the port, too.
func reuse(syscall.RawConn) error { return ErrShared }
