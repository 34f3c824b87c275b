package main

import (
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// environment sets the flags of a command from ONCE_* variables that the command line does
// not set, or exclude. A variable that is empty counts as not set.
func environment(cmd *cobra.Command) (err error) {
	flags := cmd.Flags()
	flags.VisitAll(func(f *pflag.Flag) {
		text := os.Getenv(variableOf(f))
		if f.Changed || f.Name == "help" || f.Name == "version" || text == "" || err != nil || excluded(flags, f) {
			return
		}
		must(flags.SetAnnotation(f.Name, fromEnvironment, []string{variableOf(f)}))
		values := []string{text}
		if f.Value.Type() == "stringArray" {
			values = separate(text)
		}
		for _, value := range values {
			if fault := flags.Set(f.Name, value); fault != nil && err == nil {
				err = badFlag(cmd, fault)
			}
		}
	})
	return err
}

// separate returns the values that commas separate. The hosts in an address of a server are not.
func separate(text string) (values []string) {
	for _, part := range strings.Split(text, ",") {
		n := len(values) - 1
		if n >= 0 && strings.HasPrefix(values[n], "once://") && !strings.Contains(values[n], "?") {
			values[n] += "," + part
		} else {
			values = append(values, part)
		}
	}
	return values
}

// excluded tells whether the command line has a flag that goes not together with another.
func excluded(flags *pflag.FlagSet, other *pflag.Flag) bool {
	return slices.ContainsFunc(other.Annotations[exclusive], func(group string) bool {
		return slices.ContainsFunc(strings.Fields(group), func(name string) bool {
			f := flags.Lookup(name)
			return f.Changed && len(f.Annotations[fromEnvironment]) == 0
		})
	})
}
