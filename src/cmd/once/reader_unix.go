//go:build unix

package main

import (
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// awaitReaderGone calls gone when whoever reads what is written to f has gone, if f is a
// pipe, a socket or a terminal, until stop is called.
func awaitReaderGone(f *os.File, gone func()) (stop func(), err error) {
	ended, end, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	var watcher sync.WaitGroup
	watcher.Go(func() {
		watched := []unix.PollFd{{Fd: int32(f.Fd())}, {Fd: int32(ended.Fd())}}
		for {
			_, err := unix.Poll(watched, -1)
			switch {
			case errors.Is(err, unix.EINTR):
			case err != nil || watched[1].Revents != 0:
				return
			case watched[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0:
				gone()
				return
			case watched[0].Revents != 0: // it cannot be watched
				return
			}
		}
	})
	return func() {
		_ = end.Close() // nothing was written to it
		watcher.Wait()
		_ = ended.Close()
	}, nil
}
