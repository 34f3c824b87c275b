package identity

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/sjohnr/at-once/src/lock"
)

// maxFile is the most octets that a file may have.
const maxFile = 16 << 20

// The rights that nobody else may have: on what is secret, and on what is only to be
// relied on.
const (
	ofSecret  fs.FileMode = 0o077
	ofTrusted fs.FileMode = 0o022
)

// directory is where an identity or a network keeps its files. A file is replaced as
// a whole, by who has the directory's lock, and is read without. An empty directory
// keeps nothing.
type directory string

func (d directory) path(name string) string { return filepath.Join(string(d), name) }

// read returns what is in a file on which nobody else has certain rights, and zero if
// there is no such file.
func read[T any](d directory, name string, rights fs.FileMode, parse func(text string) (T, error)) (value T, err error) {
	path := d.path(name)
	info, err := os.Stat(path)
	if d == "" || errors.Is(err, fs.ErrNotExist) {
		return value, nil
	}
	if err == nil {
		err = errors.Join(private(string(d), ofTrusted), private(path, rights))
	}
	if err != nil {
		return value, err
	}
	why := errors.New("no file, or too large")
	if info.Mode().IsRegular() && info.Size() <= maxFile {
		content, err := os.ReadFile(path)
		if err != nil {
			return value, err
		}
		value, why = parse(string(content))
	}
	if why != nil {
		err = fmt.Errorf("%s: %w: %w; restore it, or remove it to do without", path, ErrMalformed, why)
	}
	return value, err
}

// readOnly tells whether an error says that this user cannot change a file.
func readOnly(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// private makes sure that nobody else has certain rights.
func private(path string, rights fs.FileMode) error {
	info, err := os.Stat(path)
	if err == nil && info.Mode()&rights != 0 && runtime.GOOS != "windows" {
		err = fmt.Errorf("%s has mode %04o: %w", path, info.Mode().Perm(), ErrMode)
	}
	return err
}

// locked calls a function that no other process or goroutine calls for the same
// directory at the same time. It waits for those that do, which takes as long as
// writing a file.
func (d directory) locked(do func() error) error {
	if d == "" {
		return do()
	}
	file, err := d.lock("lock", true)
	if err != nil {
		return err
	}
	defer file.Close() // which unlocks it
	return do()
}

// lock opens a file, and locks it. An error beside a file is [lock.ErrTaken].
func (d directory) lock(name string, wait bool) (*os.File, error) {
	if err := private(string(d), ofTrusted); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(d.path(name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("nothing in %s can be changed: %w: make it writable for this user first", d, err)
	}
	if err = lock.Take(file, wait); err != nil && err != lock.ErrTaken {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", file.Name(), err), file.Close())
	}
	return file, err
}

// write replaces a file. After a crash it has the old content or the new. The caller
// has the lock.
func (d directory) write(name string, mode fs.FileMode, content []byte) error {
	path := d.path(name)
	if d == "" {
		return nil
	}
	if len(content) > maxFile {
		return fmt.Errorf("%s: %w", path, ErrFull)
	}
	return lock.Replace(path, mode, content)
}

// establish writes a file unless it is there.
func (d directory) establish(name string, mode fs.FileMode, content []byte) error {
	absent := func() bool {
		_, err := os.Stat(d.path(name))
		return errors.Is(err, fs.ErrNotExist)
	}
	if !absent() {
		return nil
	}
	return d.locked(func() error {
		if !absent() { // somebody else was faster
			return nil
		}
		return d.write(name, mode, content)
	})
}

// extend adds a line to a file, and returns that. It does not, and returns nil, if the file
// ends within a line, as after a crash, or would get too large. The caller has the lock; what
// it adds is there after a crash only if the file is synced.
func (d directory) extend(name, line string) (*os.File, error) {
	file, err := os.OpenFile(d.path(name), os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	size, err := file.Seek(0, io.SeekEnd)
	last := []byte{'\n'}
	if size > 0 && err == nil {
		_, err = file.ReadAt(last, size-1)
	}
	fits := last[0] == '\n' && size+int64(len(line)) <= maxFile
	if err == nil && fits {
		_, err = file.WriteString(line)
	}
	if err != nil || !fits {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// fileHolder names the process that runs a node with the identity. Whether it still
// does is told by the lock on the file, not by what the file says.
const fileHolder = "in-use"

// maxHolder is how many octets of a holder's name are read.
const maxHolder = 256

// hold locks the file of the holder, and writes there who that is.
func (d directory) hold() (*os.File, error) {
	if d == "" {
		return nil, nil
	}
	file, err := d.lock(fileHolder, false)
	if err == nil {
		if err = file.Truncate(0); err == nil {
			_, err = fmt.Fprintln(file, Here())
		}
	} else if file != nil {
		err = fmt.Errorf("%s, by process %s: %w", d, holder(file), ErrInUse)
	}
	if err != nil && file != nil {
		_ = file.Close() // the first error tells more
		file = nil
	}
	return file, err
}

// Here returns which process this is. Where a file system is shared by hosts, the number
// alone would not tell.
func Here() string {
	host, err := os.Hostname()
	if err != nil {
		host = "an unknown host"
	}
	return fmt.Sprintf("%d on %s", os.Getpid(), host)
}

// holder returns what the holder wrote.
func holder(file *os.File) string {
	text, err := io.ReadAll(io.NewSectionReader(file, 0, maxHolder))
	line, _, whole := strings.Cut(string(text), "\n")
	if err != nil || !whole {
		return "of an unknown number" // it is about to write it
	}
	return line
}
