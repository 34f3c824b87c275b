package zpl

import (
	"reflect"
	"testing"
)

func TestUnmarshal(t *testing.T) {
	type section = map[string]interface{}
	for text, want := range map[string]section{
		"":                      {},
		"# a comment\n\n":       {},
		"name = value":          {"name": "value"},
		"name = a b # comment":  {"name": "a b"},
		"name = 'a # b' # c":    {"name": "a # b"},
		"name = \"it's\"":       {"name": "it's"},
		"name":                  {"name": ""},
		"a = 1\na = 2\nb=3\r\n": {"a": "2", "b": "3"},
		"context\n    iothreads = 1\n\n    deep\n        verbose = 1\nmain = x": {
			"context": section{"iothreads": "1", "deep": section{"verbose": "1"}}, "main": "x"},
	} {
		var got section
		if err := Unmarshal([]byte(text), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"    a = 1", "a\n        b = 1", "a\n  b = 1", "a = 1\n    b = 1", "= 1", "a b = 1"} {
		var got section
		if err := Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}
