package diff

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

// lockHead is how a lock begins.
const lockHead = "# The models at a glance. Printed by once-model lock; once-model diff compares with it.\n"

// Lock is a text of what a project says but its sentences, with the wire first; ParseLock reads it.
func Lock(all *Node) string {
	var b strings.Builder
	b.WriteString(lockHead)
	for _, n := range all.Children {
		b.WriteByte('\n')
		n.lock(&b, 0)
	}
	return b.String()
}

func (n *Node) lock(b *strings.Builder, depth int) {
	if n.Kind == "section" || n.Kind == "scene" {
		return
	}
	fmt.Fprintf(b, "%s%s", strings.Repeat("  ", depth), n.Kind)
	if n.Name != "" {
		fmt.Fprintf(b, " %s", bare(n.Name))
	}
	for _, f := range n.Facts {
		if f.Name != "sentence" && f.Name != "example" {
			fmt.Fprintf(b, " %s=%s", f.Name, bare(f.Value))
		}
	}
	b.WriteByte('\n')
	for _, c := range n.Children {
		c.lock(b, depth+1)
	}
}

// bare is a value without quotation marks if it needs none.
func bare(value string) string {
	if strings.ContainsAny(value, " \"\\=\n\r\t") {
		return strconv.Quote(value)
	}
	return value
}

// ParseLock reads a lock. File is what its elements say that they stand in.
func ParseLock(file, text string) (*Node, error) {
	all := &Node{Kind: "models"}
	open := []*Node{all}
	if !strings.HasPrefix(text, lockHead) {
		return nil, &model.SyntaxError{Pos: model.Pos{File: file, Line: 1}, Err: errors.New("is no lock: its first line is another")}
	}
	line := 0
	for row := range strings.Lines(text) {
		line++
		rest := strings.TrimLeft(row, " ")
		depth := (len(row) - len(rest)) / 2
		rest = strings.TrimSpace(rest)
		if rest == "" || rest[0] == '#' {
			continue
		}
		n := &Node{Pos: model.Pos{File: file, Line: line}}
		if depth >= len(open) || !n.parse(rest) {
			return nil, &model.SyntaxError{Pos: n.Pos, Err: errors.New("is no line of a lock")}
		}
		parent := open[depth]
		parent.put(n)
		open = append(open[:depth+1], n)
	}
	return all, nil
}

// parse reads a line: a kind, perhaps a name, and facts.
func (n *Node) parse(rest string) bool {
	for kind := range ruleOf {
		if after, ok := strings.CutPrefix(rest+" ", kind+" "); ok && len(kind) > len(n.Kind) {
			n.Kind, n.Name = kind, strings.TrimSpace(after)
		}
	}
	rest, n.Name = n.Name, ""
	for first := true; rest != ""; first = false {
		word, _, _ := strings.Cut(rest, " ")
		name, _, isFact := strings.Cut(word, "=")
		if isFact && !strings.HasPrefix(word, `"`) {
			rest = rest[len(name)+1:]
		}
		value, err := strconv.QuotedPrefix(rest)
		switch {
		case err == nil:
			rest = rest[len(value):]
			value, _ = strconv.Unquote(value) // it is quoted
		default:
			value, _, _ = strings.Cut(rest, " ")
			rest = rest[len(value):]
		}
		rest = strings.TrimLeft(rest, " ")
		switch {
		case isFact && !strings.HasPrefix(word, `"`):
			n.say(name, value)
		case first:
			n.Name = value
		default:
			return false
		}
	}
	return n.Kind != ""
}
