package lock

import (
	"errors"
	"io/fs"
	"os"
)

// Replace replaces a file that one process at a time writes. After a crash it has the old
// content or the new. A fresh one has the mode.
func Replace(path string, mode fs.FileMode, content []byte) error {
	fresh, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = fresh.Write(content)
	if err = errors.Join(err, fresh.Sync(), fresh.Close()); err == nil {
		err = os.Rename(path+".new", path)
	}
	return err
}
