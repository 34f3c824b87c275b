package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sjohnr/at-once/src/model"
	"github.com/sjohnr/at-once/src/model/start"
)

// projectName is what is a name in C, in Go and in a file system.
var projectName = regexp.MustCompile(`^[a-z][a-z0-9]{1,30}$`)

// modulePath is the path of a Go module, without what no path needs.
var modulePath = regexp.MustCompile(`^[a-z0-9][-a-zA-Z0-9._~]*(/[a-zA-Z0-9_~][-a-zA-Z0-9._~]*)*$`)

func initCommand() *cobra.Command {
	var module, tree string
	cmd := &cobra.Command{
		Use:   "init NAME",
		Short: "begin a project of your own",
		Long: `Init makes a folder NAME with a project on this generator: a protocol, a machine and
a class, an engine that is written by hand, and a program that runs them. Then

  cd NAME && sh generate.sh && go run .

prints all from the models, and runs. It needs gsl (generator-scripting-language on
Debian and Ubuntu), Go, and once-model in the PATH or in ONCE_MODEL.`,
		Example: `  once-model init auction --module example.org/auction
  once-model init auction --at-once ~/src/at-once    on a tree of @Once`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			if !projectName.MatchString(name) {
				return usagef("NAME is %q: give 2 to 31 lower-case letters and digits, a letter first", name)
			}
			if module == "" {
				module = "example.org/" + name
			}
			if !modulePath.MatchString(module) {
				return usagef("--module is %q: give the path of a Go module, as example.org/%s", module, name)
			}
			version, err := builtOn(&tree)
			if err != nil {
				return err
			}
			files, err := start.Files(name, module, version, tree)
			if err != nil {
				return err
			}
			if err := begin(name, files); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is there: cd %[1]s && sh generate.sh && go run .\n", name)
			return nil
		},
	}
	cmd.Flags().StringVar(&module, "module", "", "`PATH` of its Go module (default example.org/NAME)")
	cmd.Flags().StringVar(&tree, "at-once", "", "a `DIR` with a tree of @Once to stand on, in place of the version of this program")
	return cmd
}

// begin makes a folder with files. It is there with all of them, or not at all.
func begin(name string, files map[string]string) error {
	if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already: give another name, or take it away", name)
	}
	fresh, err := os.MkdirTemp(".", name+".new*")
	if err != nil {
		return err
	}
	err = os.Chmod(fresh, 0o755)
	for path, text := range files {
		if err == nil {
			err = model.WriteIn(fresh, path, text)
		}
	}
	if err == nil {
		err = os.Rename(fresh, name)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(fresh))
	}
	return nil
}

// builtOn returns the version that a project is to stand on: any, if there is a tree.
func builtOn(tree *string) (version string, err error) {
	if *tree != "" {
		if *tree, err = filepath.Abs(*tree); err != nil {
			return "", err
		}
		if text, err := os.ReadFile(filepath.Join(*tree, "go.mod")); err != nil || !strings.HasPrefix(string(text), "module "+start.Module+"\n") {
			return "", usagef("--at-once is %q, which has no go.mod of %s", *tree, start.Module)
		}
		return "v0.0.0", nil
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Path != start.Module || info.Main.Version == "" || info.Main.Version == "(devel)" || strings.Contains(info.Main.Version, "+dirty") {
		return "", usagef("this program was built from a tree and has no version: say by --at-once DIR where the tree is")
	}
	return info.Main.Version, nil
}
