//go:build unix

package files

import (
	"errors"
	"os"
	"syscall"
)

func syncFolder(folder *os.File) error { return folder.Sync() }

// isFull tells whether an error says that there is no room on a disk.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
