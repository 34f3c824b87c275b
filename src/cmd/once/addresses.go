package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// readsInput annotates a command that reads standard input, with the flags by any of which it
// does not.
const readsInput = "once_reads_input"

// serversOf has the servers be those that the values of --server name. An address has a
// SECRET, and who is on the same host can see command lines: @FILE and - stand for the lines
// of a file and of standard input.
func (c *common) serversOf(cmd *cobra.Command) error {
	unless, busy := cmd.Annotations[readsInput]
	busy = busy && !slices.ContainsFunc(strings.Fields(unless), c.given) || slices.Contains(cmd.Flags().Args(), "-")
	var all []string
	for _, value := range c.config.Servers {
		if value == "-" && busy {
			return usage("%s -: %s reads standard input for something else: say @FILE", c.typed("server"), cmd.Name())
		}
		list, err := addresses(cmd.Context(), value)
		if err != nil {
			return usage("%s %s: %w", c.typed("server"), value, err)
		}
		all = append(all, list...)
	}
	c.config.Servers = all
	return nil
}

// addresses returns what a value of --server stands for: itself, or what the lines have that
// it names, but for empty ones and those that begin with #.
func addresses(ctx context.Context, value string) (list []string, err error) {
	var text string
	switch file, named := strings.CutPrefix(value, "@"); {
	case named:
		var content []byte
		content, err = readFile(file)
		text = string(content)
	case value == "-":
		text, err = readWord(ctx, value, "addresses")
	default:
		return []string{value}, nil
	}
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			list = append(list, line)
		}
	}
	if len(list) == 0 {
		return nil, errors.New("there is no address")
	}
	return list, nil
}
