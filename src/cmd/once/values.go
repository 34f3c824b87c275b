package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// What flags are annotated with: the variable that has given it, and, by cobra, groups of
// flags of which only one can be given.
const (
	fromEnvironment = "once_variable"
	exclusive       = "cobra_annotation_mutually_exclusive"
)

// plain is a flag whose error says what to give, and not what failed to read it.
type plain struct {
	pflag.Value
	want string
}

func (p plain) Set(text string) error {
	if p.Value.Set(text) != nil {
		return errors.New(p.want)
	}
	return nil
}

// plainly has a flag say what it wants when it is given something else.
func plainly(flags *pflag.FlagSet, name, want string) {
	flag := flags.Lookup(name)
	flag.Value = plain{flag.Value, want}
}

// word is a flag whose value is one of those that an enumeration has from 1 on.
type word[T interface {
	~uint8
	String() string
}] struct{ value *T }

func (w word[T]) String() string { return (*w.value).String() }

func (w word[T]) Type() string { return "word" }

func (w word[T]) Set(text string) error {
	var words []string
	for v := T(1); v.String() != ""; v++ {
		name := strings.ReplaceAll(v.String(), " ", "-")
		if name == text {
			*w.value = v
			return nil
		}
		words = append(words, name)
	}
	return fmt.Errorf("choose one of %s", strings.Join(words, ", "))
}

// waiting is a flag for how long something takes: to wait, who does not wait meets nobody.
type waiting struct{ wait *time.Duration }

func (w waiting) String() string {
	if w.wait == nil || *w.wait == 0 { // pflag asks a zero one too
		return ""
	}
	return w.wait.String()
}

func (w waiting) Type() string { return "duration" }

func (w waiting) Set(text string) error {
	wait, err := time.ParseDuration(text)
	if err != nil || wait <= 0 {
		return errors.New("give a time above 0, such as 500ms or 5s")
	}
	*w.wait = wait
	return nil
}

func waitFlag(flags *pflag.FlagSet, wait *time.Duration, standard time.Duration, usage string) {
	timeFlag(flags, wait, "wait", standard, usage)
}

func timeFlag(flags *pflag.FlagSet, wait *time.Duration, name string, standard time.Duration, usage string) {
	*wait = standard
	flags.Var(waiting{wait}, name, usage)
}

// counting is a flag for how many there are to be, at least one; 0 stands for no limit.
type counting struct{ count *uint64 }

func (c counting) String() string {
	if c.count == nil || *c.count == 0 { // pflag asks a zero one too
		return ""
	}
	return strconv.FormatUint(*c.count, 10)
}

func (c counting) Type() string { return "number" }

func (c counting) Set(text string) error {
	count, err := strconv.ParseUint(text, 10, 64)
	if err != nil || count == 0 {
		return errors.New("give a number from 1 on")
	}
	*c.count = count
	return nil
}

// within is a flag for a number that has limits.
type within struct {
	value       *int
	least, most int
}

func (w within) String() string {
	if w.value == nil || *w.value == 0 { // pflag asks a zero one too
		return ""
	}
	return strconv.Itoa(*w.value)
}

func (w within) Type() string { return "number" }

func (w within) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < w.least || n > w.most {
		return fmt.Errorf("give a number from %d to %d", w.least, w.most)
	}
	*w.value = n
	return nil
}

// variableOf returns the environment variable that can give a flag.
func variableOf(flag *pflag.Flag) string {
	return "ONCE_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
}
