package book

import (
	"fmt"
	"html"
	"regexp"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

// In Markdown a backslash takes its meaning from the punctuation behind it. While a page is read,
// such a character stands as another one, of those for private use.
const hidden = 0xE000

var (
	escapes = regexp.MustCompile("\\\\[!-/:-@\\[-`{-~]")
	private = regexp.MustCompile("[\uE021-\uE07E]")
)

func hide(text string) string {
	return escapes.ReplaceAllStringFunc(text, func(pair string) string { return string(rune(hidden + int(pair[1]))) })
}

// shown is HTML with what was hidden. Within code it was nothing else but a backslash.
func shown(text string, code bool) string {
	return private.ReplaceAllStringFunc(text, func(char string) string {
		c := html.EscapeString(string([]rune(char)[0] - hidden))
		if code {
			return `\` + c
		}
		return c
	})
}

// bare is a text with what was hidden.
func bare(text string) string {
	return private.ReplaceAllStringFunc(text, func(char string) string { return string([]rune(char)[0] - hidden) })
}

var (
	marks = regexp.MustCompile("[\\\\`*_\\[\\]<>|#~!&$]")
	first = regexp.MustCompile(`^(\d*)([-+.=)])`)
)

// plain is a text as Markdown that means nothing else, in one line.
func plain(text string) string {
	text = model.OneLine(strings.Join(strings.Fields(text), " "))
	return first.ReplaceAllString(marks.ReplaceAllString(text, `\$0`), `$1\$2`)
}

// prose is a text of paragraphs as Markdown that means nothing else.
func prose(text string) string {
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		lines = append(lines, plain(line))
	}
	return strings.Join(lines, "\n")
}

// coded is a text as code in a line; one that cannot be is plain.
func coded(text string) string {
	if text == "" || strings.ContainsAny(text, "`\r\n|\\") {
		return plain(text)
	}
	return "`" + text + "`"
}

// block is a text as code in lines of its own.
func block(kind, text string) string {
	var lines []string
	for line := range strings.SplitSeq(strings.Trim(text, "\n"), "\n") {
		if strings.HasPrefix(line, "```") {
			line = " " + line
		}
		lines = append(lines, strings.ReplaceAll(strings.TrimRight(line, " \r"), "<!--", "<! --"))
	}
	return fmt.Sprintf("```%s\n%s\n```", kind, strings.Join(lines, "\n"))
}
