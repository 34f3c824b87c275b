package main

import (
	"bytes"
	"testing"
)

// A list or a map is never null, and what belongs to the caller is not changed.
func TestWriteJSONIsRegular(t *testing.T) {
	type inner struct {
		Roles []string `json:"roles"`
	}
	type part struct {
		Names []string `json:"names"`
	}
	type record struct {
		part
		Name    string            `json:"name,omitempty"`
		Headers map[string]string `json:"headers"`
		Groups  []string          `json:"groups"`
		Inner   inner             `json:"inner"`
		Inners  []inner           `json:"inners"`
	}
	theirs := []inner{{}, {Roles: []string{"\x1b<"}}}
	var text bytes.Buffer
	if err := writeJSON(&text, record{Inners: theirs}); err != nil {
		t.Fatal(err)
	}
	const want = `{"names":[],"headers":{},"groups":[],"inner":{"roles":[]},"inners":[{"roles":[]},{"roles":["\u001b<"]}]}` + "\n"
	if text.String() != want || theirs[0].Roles != nil {
		t.Errorf("wrote %s and changed %v, want %s", text.String(), theirs, want)
	}
}
