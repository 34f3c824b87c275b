package model

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Write writes a file, and the folders that it is in. A file that is there has the old text or
// the new, whenever the program ends. A pipe or a device is written as it is. A link is refused:
// it may lead anywhere.
func Write(name, text string) error { return WriteIn(filepath.Dir(name), filepath.Base(name), text) }

// WriteIn writes a file as Write does, by its name in a folder, which links do not lead out of.
func WriteIn(folder, name, text string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	switch info, err := root.Lstat(name); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return &fs.PathError{Op: "write", Path: filepath.Join(folder, name), Err: errors.New("it is a link: remove it, or name what it leads to")}
	case info.Mode().IsRegular():
		mode = info.Mode().Perm()
	case !info.IsDir():
		return fill(root, name, os.O_WRONLY, mode, text)
	}
	fresh := name + ".new" + rand.Text()
	if err = fill(root, fresh, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode, text); err == nil {
		err = root.Rename(fresh, name)
	}
	if err != nil {
		return errors.Join(err, root.RemoveAll(fresh))
	}
	return nil
}

func fill(root *os.Root, name string, flags int, mode os.FileMode, text string) error {
	file, err := root.OpenFile(name, flags, mode)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	if flags&os.O_CREATE != 0 {
		err = errors.Join(err, file.Chmod(mode)) // whatever the umask is
	}
	return errors.Join(err, file.Close())
}
