package beacon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds of how often Follow looks. To look costs some 100 µs.
const (
	leastLook = 100 * time.Millisecond
	mostLook  = 2 * time.Second
)

// Follow looks every interval, within bounds, at what names select (see Select),
// and calls changed when it is not what it was, with what happened to which
// interface. It returns when ctx ends.
func Follow(ctx context.Context, names []string, was []Interface, interval time.Duration, changed func(is []Interface, what []string)) {
	ticker := time.NewTicker(min(max(interval, leastLook), mostLook))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		is, err := Select(names)
		var unknown *UnknownInterfaceError
		if err != nil && !errors.Is(err, ErrNoInterface) && !errors.As(err, &unknown) {
			continue // the system does not tell this time
		}
		if !slices.Equal(was, is) {
			changed(is, changes(was, is))
			was = is
		}
	}
}

// changes says what differs, one line for each interface that came, went or
// changed; loopback does not, but is used when there are no others.
func changes(was, is []Interface) (what []string) {
	var names []string
	for _, i := range slices.Concat(was, is) {
		if i.Loopback || slices.Contains(names, i.Name) {
			continue
		}
		names = append(names, i.Name)
		other := func(o Interface) bool { return o.Name != i.Name }
		before := slices.DeleteFunc(slices.Clone(was), other)
		after := slices.DeleteFunc(slices.Clone(is), other)
		switch {
		case slices.Equal(before, after):
		case len(before) == 0:
			what = append(what, fmt.Sprintf("interface %s up: %s", i.Name, addresses(after)))
		case len(after) == 0:
			what = append(what, fmt.Sprintf("interface %s down or without an address", i.Name))
		default:
			what = append(what, fmt.Sprintf("interface %s changed: %s", i.Name, addresses(after)))
		}
	}
	return what
}

func addresses(interfaces []Interface) string {
	texts := make([]string, len(interfaces))
	for n, i := range interfaces {
		texts[n] = i.Addr.Addr().String()
	}
	return strings.Join(texts, ", ")
}
