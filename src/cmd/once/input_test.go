package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestTooLong: what is longer than can be read is an error, also within what is encrypted, and never
// cut.
func TestTooLong(t *testing.T) {
	long := make([]byte, maxWritten+1)
	name := filepath.Join(t.TempDir(), "long")
	if err := os.WriteFile(name, long, 0o600); err != nil {
		t.Fatal(err)
	}
	if content, err := readFile(name); !errors.Is(err, errTooLong) {
		t.Errorf("of a file that is too long %d octets were read: %v", len(content), err)
	}
	sealed, err := encrypt(long, "secret")
	if err != nil {
		t.Fatal(err)
	}
	if text, err := decrypt(sealed, "secret"); !errors.Is(err, errTooLong) {
		t.Errorf("of what is encrypted and too long %d octets were read: %v", len(text), err)
	}
	if err := os.WriteFile(name, long[1:], 0o600); err != nil {
		t.Fatal(err)
	}
	if content, err := readFile(name); err != nil || len(content) != maxWritten {
		t.Errorf("of the longest file %d octets were read: %v", len(content), err)
	}
}
