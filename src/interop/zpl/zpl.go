// Package zpl reads the ZeroMQ Property Language (RFC 4, "ZPL"). It stands in for
// github.com/jtacoma/go-zpl, which no longer exists and which the gossip package
// that gyre imports needs to compile. It does what that needs and no more: gyre
// itself never loads a ZPL file.
package zpl

import (
	"fmt"
	"strings"
)

const indent = 4 // spaces for each level

// Unmarshal adds the properties in text to tree: a property with a value as a
// string, one with others below it as a map. The last of several with one name
// counts. On an error tree has what came before it.
func Unmarshal(text []byte, tree *map[string]interface{}) error {
	if *tree == nil {
		*tree = make(map[string]interface{})
	}
	levels := []map[string]interface{}{*tree}
	section := "" // property in the last level that may have others below it
	for i, line := range strings.Split(string(text), "\n") {
		content := strings.TrimLeft(line, " ")
		depth := (len(line) - len(content)) / indent
		if content = strings.TrimSpace(content); content == "" || content[0] == '#' {
			continue
		}
		if depth == len(levels) && section != "" {
			below := make(map[string]interface{})
			levels[depth-1][section] = below
			levels = append(levels, below)
		}
		if depth >= len(levels) || strings.HasPrefix(line[depth*indent:], " ") {
			return fmt.Errorf("zpl: line %d is indented wrongly", i+1)
		}
		levels = levels[:depth+1]
		name, value, hasValue := strings.Cut(content, "=")
		name = strings.TrimSpace(name)
		if name == "" || strings.ContainsAny(name, " \t") {
			return fmt.Errorf("zpl: line %d has no valid name", i+1)
		}
		if section = name; hasValue {
			section = ""
		}
		levels[depth][name] = unquote(value)
	}
	return nil
}

// unquote removes a comment, or the quotes around a value and what follows them.
func unquote(value string) string {
	value = strings.TrimSpace(value)
	if value != "" && (value[0] == '"' || value[0] == '\'') {
		if end := strings.IndexByte(value[1:], value[0]); end >= 0 {
			return value[1 : 1+end]
		}
	}
	value, _, _ = strings.Cut(value, "#")
	return strings.TrimSpace(value)
}
