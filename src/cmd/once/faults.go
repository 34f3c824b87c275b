package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// usageError is an error in how the program was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// usage returns an error in how the program was called.
func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// isUsage tells whether an error is in what was asked for, whatever the network.
func isUsage(err error) bool {
	if errors.As(err, new(usageError)) {
		return true
	}
	return slices.ContainsFunc([]error{once.ErrArgument, once.ErrEndpoint, once.ErrServers, once.ErrRendezvous, once.ErrReserved, once.ErrHeaders, once.ErrGroups,
		once.ErrNoIdentity, once.ErrMembers, once.ErrTimeouts}, func(kind error) bool { return errors.Is(err, kind) })
}

// isClosedPipe tells whether whoever reads the program's output has gone.
func isClosedPipe(err error) bool {
	var fault *os.PathError
	return errors.Is(err, errReaderGone) || errors.As(err, &fault) && fault.Path == os.Stdout.Name() && errors.Is(err, syscall.EPIPE)
}

// asTyped returns a flag as the user has given it: the environment variable, or the flag.
func asTyped(cmd *cobra.Command, name string) string {
	if flag := cmd.Flags().Lookup(name); flag != nil && len(flag.Annotations[fromEnvironment]) > 0 {
		return flag.Annotations[fromEnvironment][0]
	}
	return "--" + name
}

// toldError is an error as the user is told it.
type toldError struct {
	error
	text string
}

func (e toldError) Error() string { return e.text }
func (e toldError) Unwrap() error { return e.error }

// explain returns what the user of a command is told of an error: a field of once.Config,
// or an argument of a function, goes by the flag or the argument that the user has typed.
func explain(cmd *cobra.Command, err error) string {
	text := err.Error()
	if fault, others, found := strings.Cut(text, "\n\nDid you mean this?\n\t"); found { // as cobra has it
		text = fault + "; did you mean " + strings.ReplaceAll(strings.TrimSpace(others), "\n\t", " or ") + "?"
	}
	var config *once.ConfigError
	var limits *once.LimitError
	switch {
	case errors.As(err, &config):
		name := asTyped(cmd, cmp.Or(flagOf[config.Field], "group")) // which only some commands have
		if config.Value != "" {
			name += " " + config.Value
		}
		text = strings.Replace(text, config.Error(), name+": "+config.Reason, 1)
	case errors.As(err, &limits):
		name := strings.ToUpper(limits.Argument)
		for _, flag := range []string{limits.Argument, strings.TrimSuffix(limits.Argument, "s")} {
			if cmd.Flags().Lookup(flag) != nil {
				name = asTyped(cmd, flag)
			}
		}
		text = strings.Replace(text, limits.Error(), limits.About(name), 1)
	}
	return text
}

// badFlag returns what the user is told of a flag that cannot be parsed.
func badFlag(cmd *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	var valueless *pflag.ValueRequiredError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &invalid):
		want := errors.Unwrap(invalid)
		if invalid.GetFlag().Value.Type() == "bool" {
			want = errors.New("give true or false")
		}
		return usage("%s %q: %w", asTyped(cmd, invalid.GetFlag().Name), cut(invalid.GetValue(), cellWidth), want)
	case errors.As(err, &valueless):
		what, _ := pflag.UnquoteUsage(valueless.GetFlag())
		return usage("--%s needs a value: %s", valueless.GetFlag().Name, what)
	case errors.As(err, &unknown):
		text := "--" + unknown.GetSpecifiedName()
		if short := unknown.GetSpecifiedShortnames(); short != "" {
			text = "-" + short
			for _, arg := range os.Args { // it may begin with a flag that there is
				if strings.HasPrefix(arg, "-") && strings.HasSuffix(arg, short) {
					text = arg
				}
			}
		}
		if strings.Contains(cmd.Use, "TEXT") {
			return usage("there is no flag %s; a text that begins with a dash comes after --, as in %s", text, strings.Replace(cmd.UseLine(), "TEXT", "-- TEXT", 1))
		}
		return usage("there is no flag %s", text)
	}
	return usageError{err}
}

// checkFlags fails if a flag is missing, or two are given that exclude each other.
func checkFlags(cmd *cobra.Command) error {
	var missing []error
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if !flag.Changed && len(flag.Annotations[cobra.BashCompOneRequiredFlag]) > 0 {
			what, _ := pflag.UnquoteUsage(flag)
			missing = append(missing, usage("--%s %s is needed, or %s", flag.Name, what, variableOf(flag)))
		}
	})
	if err := cmd.ValidateFlagGroups(); err != nil {
		names := together.FindStringSubmatch(err.Error())
		if names == nil {
			return usageError{err}
		}
		var flags []string
		for _, name := range strings.Fields(names[1]) {
			flags = append(flags, asTyped(cmd, name))
		}
		return usage("%s exclude each other", strings.Join(flags, " and "))
	}
	return errors.Join(missing...)
}

// together matches what cobra says of flags that exclude each other.
var together = regexp.MustCompile(`; \[(.*)\] were all set$`)

// sayArguments has a command, and those that it has, say how it is called if its arguments
// are not as many as it takes.
func sayArguments(cmd *cobra.Command) {
	for _, member := range cmd.Commands() {
		sayArguments(member)
	}
	if takes := cmd.Args; takes != nil && !cmd.HasSubCommands() {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if takes(cmd, args) == nil {
				return nil
			}
			given := "no arguments given"
			if len(args) > 0 {
				given = fmt.Sprintf("%q given", args)
			}
			return usage("%s; use it as: %s", cut(given, 2*cellWidth), cmd.UseLine())
		}
	}
}

// must is for errors that only a mistake in this program can cause.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// checkName fails if what a flag or an argument gives can be the name of no group or peer.
func checkName(what, text string) error {
	if len(text) == 0 || len(text) > maxName { // groups have the limit of nodes
		return usage("%s %q: %d octets given, 1 to %d allowed", what, cut(text, cellWidth), len(text), maxName)
	}
	return nil
}
