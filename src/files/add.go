package files

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncefiles"
	"github.com/sjohnr/at-once/src/check"
)

// Add adds a file, or a folder with all that is in it.
func (t *Transfer) Add(p string) error {
	if err := cmp.Or(check.Given("Add", "transfer", !t.incoming, toSend), check.Text("Add", "path", p, 1, maxPath)); err != nil {
		return err // an empty path would be the folder that the program is in
	}
	source, err := filepath.EvalSymlinks(p) // who names a link means what it leads to
	if err != nil {
		return err
	}
	name, err := filepath.Abs(p)
	if err != nil {
		return err
	}
	name = filepath.Base(name)
	if err := filepath.WalkDir(source, func(at string, found fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := found.Info()
		if err != nil {
			return err
		}
		p := path.Join(name, filepath.ToSlash(strings.TrimPrefix(at, source)))
		return t.find(entry{path: p, source: at, info: info}, at == source)
	}); err != nil {
		return err
	}
	t.title = short(strings.TrimPrefix(t.title+", "+name, ", "))
	return nil
}

// find adds what was found on the disk. What was named and cannot be sent is an error.
func (t *Transfer) find(e entry, named bool) error {
	switch mode := e.info.Mode(); {
	case mode.IsDir():
		e.kind = kindFolder
	case mode.IsRegular() && (named || !strings.HasSuffix(e.path, partialSuffix)):
		e.octets = uint64(e.info.Size())
		e.kind = kindFile
		if mode&0o111 != 0 {
			e.kind = kindExecutable
		}
	case named:
		return fmt.Errorf("%s is no file or folder", e.source)
	default:
		t.leftOut = append(t.leftOut, e.source)
		return nil
	}
	if t.count == oncefiles.MaxListingPaths {
		return api.ErrTooManyFiles
	}
	err := t.add(e)
	t.count, t.octets = len(t.entries)-1, t.total
	return err
}

// LeftOut returns the paths that were left out of folders.
func (t *Transfer) LeftOut() []string { return t.leftOut }
