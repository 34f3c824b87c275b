package identity

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
)

// maxPins is how many names are remembered. Names can be made up: no more than so many are
// noted an hour, and if there are too many, one part in so many of those goes, the oldest
// first, that nobody has used again after an hour or more.
const (
	maxPins   = 65536
	maxNotes  = 4096
	longAfter = time.Hour
	evicted   = 8
)

const filePins = "trust"

// Pin says whose a name is.
type Pin struct {
	Name  string
	ID    uuid.UUID
	Seen  time.Time // when the id was first seen
	Again bool      // the id came by it long after that too
}

func byName(pins map[string]Pin) []Pin {
	return slices.SortedFunc(maps.Values(pins), func(a, b Pin) int { return cmp.Compare(a.Name, b.Name) })
}

// Pins returns the names that are pinned in the identity's directory, each with its id.
func (i *Identity) Pins() (map[string]string, error) {
	if i.dir == "" {
		return nil, api.ErrNoDirectory
	}
	pins, err := i.dir.pins()
	ids := make(map[string]string, len(pins))
	for name, pin := range pins {
		ids[name] = pin.ID.String()
	}
	return ids, err
}

// Forget forgets a name, or the name of an id, so that it can be somebody else's. Nodes
// that run with the identity take note.
func (i *Identity) Forget(nameOrID string) error {
	if i.dir == "" {
		return api.ErrNoDirectory
	}
	return i.dir.locked(func() error {
		pins, err := i.dir.pins()
		if err != nil {
			return err
		}
		known := len(pins)
		id, notID := uuid.Parse(nameOrID)
		maps.DeleteFunc(pins, func(name string, pin Pin) bool {
			return name == nameOrID || notID == nil && pin.ID == id
		})
		if len(pins) == known {
			return api.ErrUnknown
		}
		return i.dir.keep(pins)
	})
}

// firstUse tells whether a claim's name is its own. Names are labels that an identity
// may change, but not to one that is another's. Who has no card gets no name. It returns
// the file in which a name was noted, if that is still to be synced.
func (t *Trust) firstUse(c Claim, now time.Time) (noted *os.File, err error) {
	if known, err := t.known(c, now); known || err != nil || c.Card == nil || c.Name == "" {
		return nil, err
	}
	err = t.own.dir.locked(func() error {
		if err := t.refresh(); err != nil { // somebody else may have changed it
			return err
		}
		known, err := t.known(c, now)
		if !known && err == nil {
			noted, err = t.pin(c, now)
		}
		return err
	})
	return noted, err
}

// known tells whether a claim's name is pinned, and all is noted of it. The error is
// ErrPinned if it is to another id.
func (t *Trust) known(c Claim, now time.Time) (bool, error) {
	pin, known := t.pins[c.Name]
	if known && pin.ID != c.ID {
		return true, fmt.Errorf("%w: %q is %s, and now %s goes by it: if you know why, once trust forget %q",
			ErrPinned, c.Name, pin.ID, c.ID, c.Name)
	}
	return known && (pin.Again || now.Sub(pin.Seen) < longAfter), nil
}

// pin gives a claim's name to its id, in place of the one that the id had. The caller
// has the directory's lock.
func (t *Trust) pin(c Claim, now time.Time) (noted *os.File, err error) {
	pin, old := Pin{Name: c.Name, ID: c.ID, Seen: now}, ""
	for name, p := range t.pins {
		if p.ID == c.ID {
			pin.Seen, old = p.Seen, name
		}
	}
	pin.Again = old == pin.Name
	if now.Sub(t.since) >= time.Hour {
		t.since, t.notes = now, 0
	}
	if t.notes >= maxNotes && !pin.Again {
		return nil, fmt.Errorf("names on first use: %w within the hour: more than %d are new", ErrFull, maxNotes)
	}
	crowded := old == "" && len(t.pins) >= maxPins
	if crowded && !t.evict() {
		return nil, fmt.Errorf("names on first use: %w", ErrFull)
	}
	if !crowded && t.own.dir != "" {
		if noted, err = t.own.dir.extend(filePins, pin.line()); err != nil {
			return nil, err
		}
	}
	t.notes++
	delete(t.pins, old)
	t.pins[pin.Name] = pin
	if noted == nil && t.own.dir != "" {
		if err := t.own.dir.keep(t.pins); err != nil {
			t.stamp = "" // so that the pins are read again
			return nil, err
		}
	}
	t.stamp = t.own.dir.stamp()
	return noted, nil
}

// evict forgets some names that nobody has used again, and tells whether there were any.
func (t *Trust) evict() bool {
	unused := slices.DeleteFunc(byName(t.pins), func(p Pin) bool { return p.Again })
	slices.SortStableFunc(unused, func(a, b Pin) int { return a.Seen.Compare(b.Seen) })
	for _, p := range unused[:(len(unused)+evicted-1)/evicted] {
		delete(t.pins, p.Name)
	}
	return len(unused) > 0
}

// pins reads whose the names are: in each line a name in quotes, an id, a time, and the
// word again if it was used long after that. Of two names that an id has the later counts. A last line that was not written to its
// end does not.
func (d directory) pins() (map[string]Pin, error) {
	pins, names := make(map[string]Pin), make(map[uuid.UUID]string)
	_, err := read(d, filePins, ofTrusted, func(text string) (any, error) {
		for line := range strings.Lines(text) {
			if line[0] == '"' && !strings.HasSuffix(line, "\n") {
				break
			}
			p, err := parsePin(line)
			if err != nil {
				return nil, fmt.Errorf("%.300q: %w", line, err)
			}
			delete(pins, names[p.ID])
			pins[p.Name], names[p.ID] = p, p.Name
		}
		return nil, nil
	})
	return pins, err
}

func parsePin(line string) (p Pin, err error) {
	quoted, _ := strconv.QuotedPrefix(line)
	id, seen, _ := strings.Cut(strings.TrimSpace(line[len(quoted):]), " ")
	seen, p.Again = strings.CutSuffix(seen, " again")
	if p.Name, err = strconv.Unquote(quoted); err != nil {
		return p, err
	}
	if p.ID, err = uuid.Parse(id); err != nil {
		return p, err
	}
	p.Seen, err = time.Parse(time.RFC3339, seen)
	return p, err
}

func (p Pin) line() string {
	used := ""
	if p.Again {
		used = " again"
	}
	return fmt.Sprintf("%q %s %s%s\n", p.Name, p.ID, p.Seen.UTC().Format(time.RFC3339), used)
}

// keep writes down whose the names are. The caller has the lock.
func (d directory) keep(pins map[string]Pin) error {
	var lines []byte
	for _, pin := range byName(pins) {
		lines = append(lines, pin.line()...)
	}
	return d.write(filePins, 0o600, lines)
}
