package model

import (
	"errors"
	"os"
	"path/filepath"
)

// Write writes a file, and the folders that it is in. A file that is there has the old text or
// the new, whenever the program ends. What is no regular file is written as it is.
func Write(name, text string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if linked, err := filepath.EvalSymlinks(name); err == nil {
		name = linked
	}
	mode := os.FileMode(0o644)
	if info, err := os.Stat(name); err == nil {
		if !info.Mode().IsRegular() {
			return os.WriteFile(name, []byte(text), mode)
		}
		mode = info.Mode().Perm()
	}
	fresh, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".new*")
	if err != nil {
		return err
	}
	_, err = fresh.WriteString(text)
	if err = errors.Join(err, fresh.Chmod(mode), fresh.Close()); err == nil {
		err = os.Rename(fresh.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(fresh.Name()))
	}
	return nil
}
