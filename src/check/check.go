// Package check holds arguments of API calls against the limits that the class
// models state. The generated binding calls it; engine code need not.
//
// A function returns nil, without allocating, if the argument is within its
// limits, else a [*Error]. All may be called by any goroutine.
//
// Programs import bindings/go/once: what is here may change at any time.
package check

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
)

// ErrArgument is what every [Error] unwraps to.
var ErrArgument = api.ErrArgument

// Error says which argument of which method is out of its limits.
type Error struct {
	Method   string // method, as Go spells it
	Argument string // argument, as Go spells it
	Value    string // the argument in quotes, if it is told
	Given    string // how much or what was given, with its unit, if not the value says it
	Allowed  string // what is allowed
	Kind     error  // what it unwraps to; nil for ErrArgument
}

func (e *Error) Error() string { return e.Method + ": " + e.About(e.Argument) }

// About returns the error with another name for the argument, and without the method's.
func (e *Error) About(argument string) string {
	if e.Value != "" {
		argument += " " + e.Value
	}
	return argument + ": " + e.Reason()
}

// Reason returns what is given, but for the value, and what is allowed.
func (e *Error) Reason() string {
	if e.Given == "" {
		return "want " + e.Allowed
	}
	return e.Given + " given, " + e.Allowed + " allowed"
}

// Unwrap returns Kind, or [ErrArgument].
func (e *Error) Unwrap() error { return cmp.Or(e.Kind, ErrArgument) }

// SettingError says which setting of an object keeps it from starting.
type SettingError struct {
	Setting string // as Go spells it
	Err     error
}

func (e *SettingError) Error() string { return e.Err.Error() }
func (e *SettingError) Unwrap() error { return e.Err }

// quoted is how many octets of a text Quote shows.
const quoted = 64

// Quote returns a text in quotes, shortened if it is long.
func Quote(text string) string {
	if len(text) <= quoted {
		return strconv.Quote(text)
	}
	return strconv.Quote(strings.ToValidUTF8(text[:quoted], "")) + "..."
}

// Text fails unless text has low to high octets.
func Text(method, argument, text string, low, high int) error {
	return within(method, argument, " octets", len(text), low, high)
}

// Number fails unless number is from low to high.
func Number(method, argument string, number, low, high int) error {
	return within(method, argument, "", number, low, high)
}

// Frames fails unless content has low to high frames.
func Frames(method, argument string, content [][]byte, low, high int) error {
	return within(method, argument, " frames", len(content), low, high)
}

// Duration fails unless d is from low to high.
func Duration(method, argument string, d, low, high time.Duration) error {
	return within(method, argument, "", d, low, high)
}

// Context fails unless there is a context.
func Context(method string, ctx context.Context) error {
	if ctx != nil {
		return nil
	}
	return &Error{Method: method, Argument: "ctx", Given: "nil", Allowed: "context.Background() or one made from it"}
}

// Given fails unless an argument is one that can be used: an object that is there, a
// value that its enumeration has. Allowed says which those are.
func Given(method, argument string, given bool, allowed string) error {
	if given {
		return nil
	}
	return &Error{Method: method, Argument: argument, Allowed: allowed}
}

func within[T int | time.Duration](method, argument, unit string, given, low, high T) error {
	if low <= given && given <= high {
		return nil
	}
	return &Error{
		Method:   method,
		Argument: argument,
		Given:    fmt.Sprint(given, unit),
		Allowed:  fmt.Sprintf("%v to %v%s", low, high, unit),
	}
}
