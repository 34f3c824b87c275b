package identity

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// fileHolder names the process that runs a node with the identity. Whether it still
// does is told by the lock on the file, not by what the file says.
const fileHolder = "in-use"

// maxHolder is how many octets of a holder's name are read.
const maxHolder = 256

// Hold takes an identity for a node, until Release. The error is ErrInUse if a node has
// it already, of this process or, with a directory, of another on this file system.
// After any other error the identity is held, but the directory does not tell so:
// others may take it too.
func (i *Identity) Hold() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.held {
		return fmt.Errorf("%s, in this process: %w", i.id, ErrInUse)
	}
	file, err := i.dir.hold()
	i.holder, i.held = file, !errors.Is(err, ErrInUse)
	return err
}

// Release gives an identity back that Hold has taken.
func (i *Identity) Release() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.holder != nil {
		_ = i.holder.Close() // which unlocks it
	}
	i.holder, i.held = nil, false
}

// hold locks the file of the holder, and writes there who that is.
func (d directory) hold() (*os.File, error) {
	if d == "" {
		return nil, nil
	}
	if err := private(string(d), ofTrusted); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(d.path(fileHolder), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	switch err = lock(file, false); err {
	case nil:
		if err = errors.Join(file.Truncate(0), sayHolder(file)); err == nil {
			return file, nil
		}
	case errLocked:
		err = fmt.Errorf("%s, by process %s: %w", d, holder(file), ErrInUse)
	default:
		err = fmt.Errorf("lock %s: %w", file.Name(), err)
	}
	_ = file.Close() // the first error tells more
	return nil, err
}

// sayHolder writes which process this is. Where a file system is shared by hosts, the
// number alone would not tell.
func sayHolder(file *os.File) error {
	host, err := os.Hostname()
	if err != nil {
		host = "an unknown host"
	}
	_, err = fmt.Fprintf(file, "%d on %s\n", os.Getpid(), host)
	return err
}

// holder returns what sayHolder wrote.
func holder(file *os.File) string {
	text, err := io.ReadAll(io.NewSectionReader(file, 0, maxHolder))
	line, _, whole := strings.Cut(string(text), "\n")
	if err != nil || !whole {
		return "of an unknown number" // it is about to write it
	}
	return line
}
