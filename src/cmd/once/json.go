package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// What the program writes as JSON has one form, for all commands: an object a line, with
// names in lower case and underscores. A list is an object a line for each of its members,
// and no line if there are none. Times are RFC 3339 in UTC. Nothing is ever null: a list or
// map that an object has is there when it is empty, and what is not known, or what this
// kind of thing does not have, is left out.

// jsonTime is the form of a time.
const jsonTime = "2006-01-02T15:04:05.000Z07:00"

func jsonFlag(flags *pflag.FlagSet, asJSON *bool) {
	flags.BoolVar(asJSON, "json", false, "write JSON, an object a line")
}

// printRecord writes one thing: its record as JSON, or names and values in turn, a pair a
// line, without empty values.
func printRecord(w io.Writer, asJSON bool, record any, pairs ...string) error {
	if asJSON {
		return writeJSON(w, record)
	}
	return printFields(w, pairs...)
}

// writeJSON writes a value as one line that is safe on a terminal.
func writeJSON(w io.Writer, value any) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(regular(value)); err != nil {
		return err
	}
	_, err := w.Write(append(cleanJSON(bytes.TrimSpace(text.Bytes())), '\n'))
	return err
}

// regular returns a value with empty lists and maps in place of those that are nil.
func regular(value any) any {
	copied := reflect.New(reflect.TypeOf(value)).Elem()
	copied.Set(reflect.ValueOf(value))
	fillNil(copied)
	return copied.Interface()
}

// fillNil puts empty lists and maps in place of those that are nil, in a value that can be
// set and in the structs that are part of it.
func fillNil(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() || f.Anonymous {
				fillNil(v.Field(i))
			}
		}
	case reflect.Slice:
		if v.IsNil() {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		}
		if v.Type().Elem().Kind() == reflect.Struct {
			v.Set(reflect.AppendSlice(reflect.MakeSlice(v.Type(), 0, v.Len()), v)) // the caller's is left alone
			for i := range v.Len() {
				fillNil(v.Index(i))
			}
		}
	case reflect.Map:
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		}
	}
}

// printList writes a list at once: as JSON; for a terminal, as a table with a head that
// is no wider than it; or as lines with tabs between the cells.
func printList[T any](w io.Writer, terminal, asJSON bool, head string, list []T, cells func(T) []string) error {
	if terminal && !asJSON {
		t := table{head: strings.Split(head, "\t")}
		for _, value := range list {
			t.rows = append(t.rows, cells(value))
		}
		columns, _ := terminalSize(os.Stdout)
		return t.print(w, columns)
	}
	var text bytes.Buffer
	for _, value := range list {
		if !asJSON {
			fmt.Fprintln(&text, joined(cells(value), clean))
		} else if err := writeJSON(&text, value); err != nil {
			return err
		}
	}
	_, err := w.Write(text.Bytes())
	return err
}

// printFields writes names and values in turn, a pair a line, without empty values.
func printFields(w io.Writer, pairs ...string) error {
	var text bytes.Buffer
	for pair := range slices.Chunk(pairs, 2) {
		if pair[1] != "" {
			fmt.Fprintf(&text, "%-12s  %s\n", pair[0], clean(pair[1]))
		}
	}
	_, err := w.Write(text.Bytes())
	return err
}
