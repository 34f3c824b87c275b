package files

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/lock"
)

// folder is where a receiver puts files, and never beside it: root follows no link out.
type folder struct {
	root      *os.Root
	overwrite bool
	unsynced  map[string]bool // folders in which something has changed
}

func (f *folder) open(into string, overwrite bool) (err error) {
	f.overwrite, f.unsynced = overwrite, map[string]bool{}
	if err = os.MkdirAll(into, 0o777); err == nil {
		f.root, err = os.OpenRoot(into)
	}
	return err
}

// make makes the folder that an entry is, or is in.
func (f *folder) make(e entry) error {
	where := e.path
	if e.kind != kindFolder {
		where = path.Dir(where)
	}
	for p := where; ; p = path.Dir(p) {
		f.unsynced[p] = true
		if p == "." {
			break
		}
	}
	err := f.root.MkdirAll(where, 0o777)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTDIR) {
		return fmt.Errorf("%w: %s", api.ErrOccupied, where)
	}
	return err
}

// sync has the disk know what is in the folders.
func (f *folder) sync() error {
	for p := range f.unsynced {
		d, err := f.root.Open(p)
		if err != nil {
			return err
		}
		if err := errors.Join(syncFolder(d), d.Close()); err != nil {
			return err
		}
	}
	return nil
}

// there returns how much is there of a file whose turn has not come: nothing, or all, as it
// seems. What else there is, it is too early to know.
func (f *folder) there(e entry) (octets uint64, isKnown bool) {
	if _, err := f.root.Lstat(e.path + partialSuffix); !errors.Is(err, fs.ErrNotExist) {
		return 0, false
	}
	err := f.resembles(e)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, true
	}
	return e.octets, err == nil
}

// resembles returns nil if there is a file of the name and the size of an entry, else
// fs.ErrNotExist, errDiffers, or why there can be none.
func (f *folder) resembles(e entry) error {
	info, err := f.root.Lstat(e.path)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%w: %s", api.ErrOccupied, e.path)
	case !info.Mode().IsRegular() || uint64(info.Size()) != e.octets:
		return errDiffers
	}
	return nil
}

// part is what is there of a file.
type part struct {
	file   *os.File // nil for the listing, which is in memory
	memory []byte
	whole  bool      // it has the file's name: nothing is written
	there  uint64    // octets that may be as they were sent
	size   uint64    // octets from the first on that are
	sum    hash.Hash // of the piece that is not complete
}

// errDiffers says that a whole file is another than the one that is sent.
var errDiffers = errors.New("differs")

// add adds what comes next, or if that is nothing, what is there already.
func (p *part) add(content []byte, length uint64) (err error) {
	switch {
	case p.file == nil:
		p.memory = append(p.memory, content...)
	case len(content) > 0:
		_, err = p.file.WriteAt(content, int64(p.size))
	default:
		content = make([]byte, length)
		_, err = p.file.ReadAt(content, int64(p.size))
	}
	p.sum.Write(content)
	p.size += length
	return err
}

// whole returns a file that has the name of an entry and may be the same. Errors are as those
// of resembles.
func (f *folder) whole(e entry) (*part, error) {
	if err := f.resembles(e); err != nil {
		return nil, err
	}
	file, err := f.root.Open(e.path)
	return &part{file: file, whole: true, there: e.octets, sum: sha256.New()}, err
}

// partial opens the file that is an entry until it is complete, for this transfer alone.
// The error is lock.ErrTaken while another has it.
func (f *folder) partial(e entry) (*part, error) {
	name := e.path + partialSuffix
	file, err := f.root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	err = lock.Take(file, false)
	opened, fault := file.Stat()
	if err = cmp.Or(err, fault); err == nil {
		if named, missing := f.root.Lstat(name); missing != nil {
			err = lock.ErrTaken // who had it has placed it
		} else if !named.Mode().IsRegular() || !os.SameFile(opened, named) {
			err = fmt.Errorf("%w: %s", api.ErrOccupied, name)
		}
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return &part{file: file, there: uint64(opened.Size()), sum: sha256.New()}, nil
}

// place gives a file its name, when it is complete and the disk has it. Where no file is to
// be replaced, a link to it can be made only if there is none.
func (f *folder) place(p *part, e entry) error {
	info, err := p.file.Stat()
	if err == nil && e.kind == kindExecutable {
		err = p.file.Chmod(info.Mode() | info.Mode()&0o444>>2)
	}
	if err = cmp.Or(err, p.file.Truncate(int64(p.size)), p.file.Sync()); err != nil {
		return err
	}
	name := e.path + partialSuffix
	if !f.overwrite {
		if f.root.Link(name, e.path) == nil {
			return f.root.Remove(name)
		}
		if _, missing := f.root.Lstat(e.path); missing == nil {
			return fmt.Errorf("%w: %s", api.ErrOccupied, e.path)
		}
	} // or the file system has no links
	return f.root.Rename(name, e.path)
}

// busyPause is how long to wait for another transfer of the same file.
const busyPause = 250 * time.Millisecond
