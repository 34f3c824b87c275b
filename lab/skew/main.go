// Command skew writes a directory that Go programs are built with, by go build -overlay, whose
// wall clock is wrong: by as many seconds as the variable ONCE_LAB_CLOCK of their environment
// says. All of the program is shifted so, and nothing but it; there is no namespace for that.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Of the package time, where it asks what time it is, and what is put there.
const (
	asked  = "\nfunc Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	skewed = asked + "\tsec += skew\n"
)

// skew is how package time finds out by how much it is wrong. It may import little.
const skew = `
var skew = func() (seconds int64) {
	text, _ := syscall.Getenv("ONCE_LAB_CLOCK")
	sign := int64(1)
	for i := range len(text) {
		switch c := text[i]; {
		case c == '-' && i == 0:
			sign = -1
		case c >= '0' && c <= '9':
			seconds = seconds*10 + int64(c-'0')
		default:
			panic("ONCE_LAB_CLOCK is no number of seconds")
		}
	}
	return sign * seconds
}()
`

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: skew DIRECTORY")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "skew:", err)
		os.Exit(1)
	}
}

// write writes overlay.json into a directory, and what it puts in place of files of Go's.
func write(directory string) error {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("go env GOROOT: %w", err)
	}
	original := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	text, err := os.ReadFile(original)
	if err != nil {
		return err
	}
	if strings.Count(string(text), asked) != 1 {
		return errors.New(original + " asks what time it is in another way than is known here")
	}
	place, err := filepath.Abs(filepath.Join(directory, "time.go.txt"))
	if err != nil {
		return err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {original: place, filepath.Join(filepath.Dir(original), "zskew.go"): place + ".skew"}})
	if err != nil {
		return err
	}
	return errors.Join(
		os.MkdirAll(directory, 0o755),
		os.WriteFile(place, []byte(strings.Replace(string(text), asked, skewed, 1)), 0o644),
		os.WriteFile(place+".skew", []byte("package time\n\nimport \"syscall\"\n"+skew), 0o644),
		os.WriteFile(filepath.Join(directory, "overlay.json"), overlay, 0o644),
	)
}
