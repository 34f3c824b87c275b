//go:build !unix

package link

import (
	"errors"
	"net"
	"syscall"
	"time"
)

// rawConn returns nil: here, reading waits with a buffer in hand, and all writing
// is the writer's.
func rawConn(net.Conn) syscall.RawConn { return nil }

func readable(uintptr) bool                 { return true }
func tryRead(uintptr, []byte) (int, error)  { return 0, errors.ErrUnsupported }
func tryWrite(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }
func pause(time.Duration)                   {}
