package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// A profile is an identity that the user has in the configuration directory. All commands
// use the default one once it exists.
const (
	profileKind    = "identity"   // of directory, and where the default profile is
	profiles       = "identities" // where the others are
	defaultProfile = "default"
	nobody         = "none" // stands for somebody new in place of a profile
)

// directory returns what the first of the names that is not empty means, or else where the
// user has such a thing. A word is the name of a profile where an identity is meant.
func directory(kind string, names ...string) (string, error) {
	name := cmp.Or(names...)
	if kind == profileKind && name == nobody {
		return "", usage("%q stands for no profile: choose another name", name)
	}
	if name == "" || kind == profileKind && isProfile(name) {
		config, err := os.UserConfigDir()
		if err != nil {
			return "", fmt.Errorf("%w: name a directory for the %s", err, kind)
		}
		place := kind
		if name != "" && name != defaultProfile {
			place = filepath.Join(profiles, name)
		}
		return filepath.Join(config, "once", place), nil
	}
	return atHome(name)
}

// atHome returns a path as a shell does: ~ at its begin is the user's home. A shell leaves it
// as it is after the = of a flag.
func atHome(path string) (string, error) {
	first, rest, _ := strings.Cut(filepath.ToSlash(path), "/")
	switch {
	case first == "~":
		home, err := os.UserHomeDir()
		return filepath.Join(home, rest), err
	case strings.HasPrefix(first, "~"):
		return "", usage("%q: only ~/ stands for a home; for a directory of that name, say ./%[1]s", path)
	}
	return path, nil
}

// load opens what is in such a directory.
func load[T any](kind string, open func(string) (T, error), names ...string) (found T, err error) {
	dir, err := directory(kind, names...)
	if err != nil {
		return found, err
	}
	return open(dir)
}

// inDirectory returns what a command does with what it opens in the directory that its
// argument or else a flag names.
func inDirectory[T any](kind string, flag *string, open func(string) (T, error), do func(T) error) func(*cobra.Command, []string) error {
	return func(_ *cobra.Command, args []string) error {
		found, err := load(kind, open, append(args, *flag)...)
		if err != nil {
			return err
		}
		return do(found)
	}
}

// fresh returns what opens a directory in which load finds nothing.
func fresh[T any](load, open func(string) (T, error)) func(string) (T, error) {
	return func(dir string) (made T, err error) {
		switch _, err = load(dir); {
		case errors.Is(err, fs.ErrNotExist):
			return open(dir)
		case err == nil:
			err = fmt.Errorf("%s: %w", dir, once.ErrExists)
		}
		return made, err
	}
}

// advise tells a person at a terminal what to do next.
func advise(format string, args ...any) {
	if isTerminal(os.Stderr) {
		fmt.Fprintf(os.Stderr, "once: "+format+"\n", args...)
	}
}

// isProfile tells whether a name means a profile, and not a directory.
func isProfile(name string) bool {
	return !strings.ContainsAny(name, `/\`) && !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "~")
}
