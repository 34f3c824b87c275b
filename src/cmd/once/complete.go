package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// maxChoice is how many there are to choose from at the most.
const maxChoice = 30

// complete completes what was typed in a conversation of a node, which may be nil: the name
// of a command, its first argument, or else the name of a peer.
func complete(node *once.Node, before string) (replaced string, choice []string) {
	if node == nil {
		return before, nil
	}
	name, args, hasArgs := strings.Cut(before, " ")
	switch {
	case !strings.HasPrefix(before, "/"):
		at := strings.LastIndexByte(before, ' ') + 1
		return completeWord(before[:at], before[at:], peerNames(node), func(name string) string { return name })
	case !hasArgs:
		var names []string
		for _, command := range commands() {
			names = append(names, command.name())
		}
		return completeWord("", name, names, quote)
	}
	for _, command := range commands() {
		if command.name() == name && command.names != nil {
			return completeWord(name+" ", args, command.names(node), quote)
		}
	}
	return before, nil
}

// completeWord completes the last word, which may be in quotes, to what all of the names that
// begin with it begin with; and if that is no more, to nothing but a choice.
func completeWord(before, word string, names []string, quoted func(string) string) (replaced string, choice []string) {
	plain := openQuote(word)
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, plain) })
	switch len(names) {
	case 0:
		return before + word, nil
	case 1:
		return before + quoted(names[0]) + " ", nil
	}
	common := names[0]
	for _, name := range names {
		for !strings.HasPrefix(name, common) {
			common = common[:lastCharacter(common)]
		}
	}
	if len(common) > len(plain) {
		if word = quoted(common); strings.HasPrefix(word, `"`) {
			word = strings.TrimSuffix(word, `"`)
		}
		return before + word, nil
	}
	for _, name := range names[:min(len(names), maxChoice)] {
		choice = append(choice, cut(name, cellWidth))
	}
	if more := len(names) - len(choice); more > 0 {
		choice = append(choice, "and "+strconv.Itoa(more)+" more")
	}
	return before + word, choice
}

// openQuote returns what a word is that may be in quotes that are not closed yet.
func openQuote(word string) string {
	if !strings.HasPrefix(word, `"`) && !strings.HasPrefix(word, `'`) {
		return word
	}
	if name, rest, closed := unquote(word + word[:1]); closed && rest == "" {
		return name
	}
	return word[1:]
}
