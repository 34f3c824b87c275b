// Package check holds arguments of API calls against the limits that the class
// models state. The generated binding calls it; engine code need not.
//
// A function returns nil, without allocating, if the argument is within its
// limits, else a [*Error]. All may be called by any goroutine.
package check

import (
	"fmt"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
)

// ErrArgument is what every [Error] unwraps to.
var ErrArgument = api.ErrArgument

// Error says which argument of which method is out of its limits.
type Error struct {
	Method   string // method, as Go spells it
	Argument string // argument, as Go spells it
	Given    string // what was given, with its unit
	Allowed  string // what is allowed
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s is out of its limits: %s given, %s allowed", e.Method, e.Argument, e.Given, e.Allowed)
}

// Unwrap returns [ErrArgument].
func (e *Error) Unwrap() error { return ErrArgument }

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

// Given fails unless an argument is one that can be used: an object that is there, a
// value that its enumeration has.
func Given(method, argument string, given bool) error {
	if given {
		return nil
	}
	return &Error{Method: method, Argument: argument, Given: "nothing that is known", Allowed: "what the documentation names"}
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
