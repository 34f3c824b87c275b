package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/sjohnr/at-once/src/wire"
)

// golden are the vectors of a protocol that once-model prints.
type golden struct {
	Valid []struct {
		Name, Case string
		Fields     map[string]any
		Frames     []string
	}
	Malformed []struct {
		Name, Case, Error, Field string
		Frames                   []string
	}
}

// faults are the words of the vectors for what is wrong.
var faults = map[string]error{"short": wire.ErrShort, "trailing": wire.ErrTrailing, "signature": wire.ErrSignature,
	"id": wire.ErrID, "constant": wire.ErrConstant, "limit": wire.ErrLimit, "duplicate": wire.ErrDuplicate}

// Each codec reads what is valid, writes the same again, and refuses what is malformed for the
// reason that comes first.
func TestGoldenVectors(t *testing.T) {
	paths, err := filepath.Glob("../../generated/vectors/golden/*.json")
	if err != nil || len(paths) != len(protocols) {
		t.Fatalf("vectors of %d protocols, not of %d; %v", len(paths), len(protocols), err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(path)
			must(t, err)
			var vectors golden
			must(t, json.Unmarshal(text, &vectors))
			checkGolden(t, protocols[name], vectors)
		})
	}
}

func checkGolden(t *testing.T, messages map[string]codec, vectors golden) {
	valid := map[string]int{}
	for _, v := range vectors.Valid {
		valid[v.Name]++
		m, frames := messages[v.Name], octets(t, v.Frames)
		if err := m.Decode(frames[0], frames[1:]); err != nil {
			t.Errorf("%s, %s: %v", v.Name, v.Case, err)
			continue
		}
		if again, err := m.AppendTo(nil); err != nil || !bytes.Equal(again, frames[0]) || m.Size() != len(again) {
			t.Errorf("%s, %s: encoded as %x, %v\nwant %x", v.Name, v.Case, again, err, frames[0])
		}
		checkFields(t, v.Name+", "+v.Case, reflect.ValueOf(m).Elem(), v.Fields)
	}
	malformed := map[string]int{}
	for _, v := range vectors.Malformed {
		malformed[v.Name]++
		frames := octets(t, v.Frames)
		err := messages[v.Name].Decode(frames[0], frames[1:])
		var fault *wire.Error
		if !errors.Is(err, faults[v.Error]) || !errors.As(err, &fault) || fault.Field != v.Field {
			t.Errorf("%s, %s: %v, want %s in field %q", v.Name, v.Case, err, v.Error, v.Field)
		}
	}
	for name := range messages {
		if valid[name] < 2 || malformed[name] < 7 {
			t.Errorf("%s has %d vectors that are valid, and %d that are not", name, valid[name], malformed[name])
		}
	}
}
