package share

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"github.com/sjohnr/at-once/generated/go/api"
)

// Subjects whose questions and answers are written here; those of the others are printed.
const (
	askProtection = "protection"
	askSealed     = "sealed"
	askSpread     = "spread"
)

// numbers reads what figures has written down.
func numbers(values map[string]string) map[string]uint64 {
	numbers := map[string]uint64{}
	for name, value := range values {
		if number, err := strconv.ParseUint(value, 10, 64); err == nil {
			numbers[name] = number
		}
	}
	return numbers
}

// figures writes numbers down.
func figures(numbers map[string]uint64) map[string]string {
	values := map[string]string{}
	for name, number := range numbers {
		values[name] = strconv.FormatUint(number, 10)
	}
	return values
}

// listed writes a list down, each under its number.
func listed(list []string) map[string]string {
	values := map[string]string{}
	for i, value := range list {
		values[strconv.Itoa(i)] = value
	}
	return values
}

// list reads what listed has written down.
func list(values map[string]string) (list []string) {
	for i := range len(values) {
		if value, is := values[strconv.Itoa(i)]; is {
			list = append(list, value)
		}
	}
	return list
}

// set writes a set down.
func set(names []string) map[string]string {
	values := map[string]string{}
	for _, name := range names {
		values[name] = ""
	}
	return values
}

// errSubject says that a program asks for what this version does not know.
var errSubject = errors.New("the process that runs the node knows no such subject: use programs of one release")

// answer answers what is asked of a subject that is no method, or whose argument is of more
// than one.
func (h host) answer(ctx context.Context, subject string, argument []byte) (map[string]string, error) {
	switch subject {
	case askProtection:
		return figures(map[string]uint64{"security": uint64(h.front.Level.Security), "trust": uint64(h.front.Level.Trust)}), nil
	case askSealed:
		return set(h.front.Sealed), nil
	case askSpread:
		if len(argument) < 4 {
			return nil, api.ErrArgument
		}
		holders, err := h.Spread(ctx, string(argument[4:]), int(binary.BigEndian.Uint32(argument)))
		return set(holders), err
	}
	return nil, fmt.Errorf("%q: %w", subject, errSubject)
}
