package diff

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

// what each class is about, for people.
var about = map[Class]string{
	Wire:  "what passes between programs",
	State: "what is said when, and what is done about it",
	API:   "what programs call",
	Doc:   "what people read",
}

// Subject is what has changed: a model, and the element in it.
func (c Change) Subject() string { return strings.TrimSpace(c.Model + " " + c.Path) }

// note says whether a change breaks something.
func (c Change) note() string {
	switch {
	case !c.Breaking:
		return ""
	case c.Waiver == nil:
		return "BREAKS "
	case c.Waiver.Expired:
		return fmt.Sprintf("BREAKS (waived until %s: %s) ", c.Waiver.Until, c.Waiver.Reason)
	}
	return fmt.Sprintf("breaks, waived until %s (%s): ", c.Waiver.Until, c.Waiver.Reason)
}

// Text prints changes for a terminal.
func Text(changes []Change) string {
	var b strings.Builder
	for i, c := range changes {
		if i == 0 || changes[i-1].Class != c.Class {
			fmt.Fprintf(&b, "%s: %s\n", c.Class, about[c.Class])
		}
		b.WriteString("  " + model.OneLine(fmt.Sprintf("%s: %s%s: %s", c.Pos, c.note(), c.Subject(), c.Text)) + "\n")
	}
	return b.String()
}

// plain is text in a cell of a table, and no markup.
var plain = strings.NewReplacer("\n", " ", "\r", " ", "&", "&amp;", "<", "&lt;", `\`, `\\`, "|", `\|`, "*", `\*`, "_", `\_`,
	"`", "\\`", "[", `\[`, "]", `\]`, "~", `\~`, "$", `\$`)

// code is text in a cell between backticks.
var code = strings.NewReplacer("\n", " ", "\r", " ", "|", `\|`, "`", "'")

// Markdown prints changes for a review.
func Markdown(changes []Change) string {
	var b strings.Builder
	for i, c := range changes {
		if i == 0 || changes[i-1].Class != c.Class {
			fmt.Fprintf(&b, "\n## %s: %s\n\n| | what | change | where |\n|---|---|---|---|\n", c.Class, about[c.Class])
		}
		note := strings.TrimSuffix(strings.TrimSpace(c.note()), ":")
		if note != "" {
			note = "**" + plain.Replace(note) + "**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | `%s` |\n", note, plain.Replace(c.Subject()), plain.Replace(c.Text), code.Replace(model.OneLine(c.Pos.String())))
	}
	return strings.TrimPrefix(b.String(), "\n")
}

// JSON prints changes for a program.
func JSON(changes []Change) (string, error) {
	type waiver struct {
		Reason  string `json:"reason"`
		Until   string `json:"until"`
		Expired bool   `json:"expired"`
	}
	type change struct {
		Class    Class   `json:"class"`
		Breaking bool    `json:"breaking"`
		Model    string  `json:"model"`
		Path     string  `json:"path"`
		Text     string  `json:"text"`
		File     string  `json:"file"`
		Line     int     `json:"line"`
		Waiver   *waiver `json:"waiver,omitempty"`
	}
	list := []change{}
	for _, c := range changes {
		one := change{c.Class, c.Breaking, c.Model, strings.TrimSpace(c.Path), c.Text, c.File, c.Line, nil}
		if c.Waiver != nil {
			one.Waiver = &waiver{c.Waiver.Reason, c.Waiver.Until, c.Waiver.Expired}
		}
		list = append(list, one)
	}
	text, err := json.MarshalIndent(list, "", "  ")
	return string(text) + "\n", err
}
