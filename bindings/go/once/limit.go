package once

import (
	"errors"

	"github.com/sjohnr/at-once/src/check"
)

// LimitError says which argument of a function or method is out of its limits. It is
// [ErrArgument], or another of the errors here that says more.
type LimitError struct {
	Method   string // the function or method that was called
	Argument string // the name of the argument
	Value    string // the argument in quotes, shortened if it is long; empty if it is not told
	Given    string // how much or what was given, with its unit; empty if the value says it
	Allowed  string // what is allowed, with its unit
	Kind     error  // the error of this package that it is; nil for ErrArgument
}

// Error names the method and the argument, and says what is allowed, for people.
func (e *LimitError) Error() string { return (*check.Error)(e).Error() }

// About returns the error with another name for the argument, and without the method's.
func (e *LimitError) About(argument string) string { return (*check.Error)(e).About(argument) }

// Unwrap returns Kind, or [ErrArgument].
func (e *LimitError) Unwrap() error { return (*check.Error)(e).Unwrap() }

// named returns an error of libonce as one of the function here that was called.
func named(function string, err error) error {
	if err == nil {
		return nil
	}
	return renamed(function, err)
}

func renamed(function string, err error) error {
	var limits *check.Error
	if errors.As(err, &limits) {
		told := LimitError(*limits)
		told.Method = function
		return &told
	}
	return err
}
