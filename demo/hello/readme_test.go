package main

import (
	"bytes"
	"os"
	"testing"
)

// The program in the README is the one that compiles here.
func TestReadmeShowsThisProgram(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, program, _ = bytes.Cut(program, []byte("\n\nimport"))
	if !bytes.Contains(readme, append([]byte("import"), program...)) {
		t.Error("README.md does not show demo/hello/main.go as it is: copy it there")
	}
}
