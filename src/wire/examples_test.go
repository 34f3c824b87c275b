package wire_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/sjohnr/at-once/generated/go/onceask"
	"github.com/sjohnr/at-once/generated/go/oncecard"
	"github.com/sjohnr/at-once/generated/go/oncecontrol"
	"github.com/sjohnr/at-once/generated/go/oncefiles"
	"github.com/sjohnr/at-once/generated/go/oncelink"
	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/generated/go/oncerecord"
	"github.com/sjohnr/at-once/generated/go/onceseal"
	"github.com/sjohnr/at-once/generated/go/zgossipmsg"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/wire"
)

// codec is what the test needs of a message of any protocol.
type codec interface {
	Size() int
	AppendTo(b []byte) ([]byte, error)
	Decode(frame []byte, content [][]byte) error
}

// named returns the empty messages of a protocol by their names.
func named[ID ~uint8, M codec](fresh func(ID) M, name func(ID) string) map[string]codec {
	messages := map[string]codec{}
	for n := range 256 {
		id := ID(n)
		if name(id) != "" {
			messages[name(id)] = fresh(id)
		}
	}
	return messages
}

var protocols = map[string]map[string]codec{
	"zre_msg":      named(zremsg.New, zremsg.ID.String),
	"zgossip_msg":  named(zgossipmsg.New, zgossipmsg.ID.String),
	"once_card":    named(oncecard.New, oncecard.ID.String),
	"once_link":    named(oncelink.New, oncelink.ID.String),
	"once_seal":    named(onceseal.New, onceseal.ID.String),
	"once_ask":     named(onceask.New, onceask.ID.String),
	"once_files":   named(oncefiles.New, oncefiles.ID.String),
	"once_msg":     named(oncemsg.New, oncemsg.ID.String),
	"once_record":  named(oncerecord.New, oncerecord.ID.String),
	"once_control": named(oncecontrol.New, oncecontrol.ID.String),
}

// The examples that the documents show are what the codecs read and write: the generator
// encodes them by rules of its own.
func TestExamplesOfTheDocuments(t *testing.T) {
	files, err := os.ReadDir("../../generated/vectors")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(file.Name(), ".json")
		if file.IsDir() || name == "zmtp" || name == "zre_beacon" || name == "once_ticket" { // layouts: tests of src/zmtp, src/beacon and src/rendezvous/relay
			continue
		}
		t.Run(name, func(t *testing.T) { checkExamples(t, name) })
	}
}

func checkExamples(t *testing.T, protocol string) {
	messages, known := protocols[protocol]
	if !known {
		t.Fatal("this test does not know the codec: add it to protocols")
	}
	text, err := os.ReadFile("../../generated/vectors/" + protocol + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var examples []struct {
		Name   string
		Fields map[string]any
		Frames []string
	}
	if err := json.Unmarshal(text, &examples); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../generated/doc/" + protocol + ".md")
	if err != nil {
		t.Fatal(err)
	}
	if len(examples) != len(messages) {
		t.Errorf("examples of %d messages, not of %d", len(examples), len(messages))
	}
	seen := map[string]bool{}
	for _, e := range examples {
		m, known := messages[e.Name]
		if !known || seen[e.Name] {
			t.Fatalf("the codec has no %s, or the vectors have two", e.Name)
		}
		seen[e.Name] = true
		var frames [][]byte
		for _, text := range e.Frames {
			frame, err := hex.DecodeString(text)
			if err != nil {
				t.Fatalf("%s: %v", e.Name, err)
			}
			frames = append(frames, frame)
		}
		if err := m.Decode(frames[0], frames[1:]); err != nil {
			t.Errorf("%s: %v", e.Name, err)
		}
		if again, err := m.AppendTo(nil); err != nil || !bytes.Equal(again, frames[0]) || m.Size() != len(again) {
			t.Errorf("%s: encoded as %x, %v\nwant %x", e.Name, again, err, frames[0])
		}
		checkFields(t, e.Name, reflect.ValueOf(m).Elem(), e.Fields)
		checkPage(t, e.Name, string(page), e.Frames[0])
	}
}

// checkFields compares what was decoded with what the vectors say of each field.
func checkFields(t *testing.T, name string, m reflect.Value, fields map[string]any) {
	if m.NumField() != len(fields) {
		t.Errorf("%s has %d fields, and its example %d", name, m.NumField(), len(fields))
	}
	for field, want := range fields {
		plain := strings.ReplaceAll(field, " ", "")
		got := m.FieldByNameFunc(func(n string) bool { return strings.EqualFold(n, plain) })
		if !got.IsValid() {
			t.Errorf("%s has no field %s", name, field)
		} else if shown := jsonOf(got.Interface()); !reflect.DeepEqual(shown, want) {
			t.Errorf("%s.%s is %v, want %v", name, field, shown, want)
		}
	}
}

// jsonOf returns a field's value as the vectors spell it.
func jsonOf(value any) any {
	switch v := value.(type) {
	case []byte:
		return hex.EncodeToString(v)
	case [16]byte:
		return hex.EncodeToString(v[:])
	case string:
		return v
	}
	list := []any{}
	switch v := value.(type) {
	case []string:
		for _, text := range v {
			list = append(list, text)
		}
	case []wire.Pair:
		for _, pair := range v {
			list = append(list, []any{pair.Key, pair.Value})
		}
	case [][]byte:
		for _, frame := range v {
			list = append(list, hex.EncodeToString(frame))
		}
	default:
		return reflect.ValueOf(value).Convert(reflect.TypeFor[float64]()).Interface()
	}
	return list
}

// checkPage puts the octets of an example's first frame together as the page shows them:
// long fields only in part.
func checkPage(t *testing.T, name, page, frame string) {
	_, section, found := strings.Cut(page, "\n### "+name+"\n")
	_, block, shown := strings.Cut(section, "\n```\n")
	block, _, ended := strings.Cut(block, "\n```\n")
	if !found || !shown || !ended {
		t.Errorf("the page shows no example of %s", name)
		return
	}
	for line := range strings.Lines(block) {
		octets, says, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if strings.Contains(says, ", a frame of its own") {
			continue
		}
		size := len(octets)
		begins, rest, cut := strings.Cut(octets, "...")
		if cut {
			rest, count, _ := strings.Cut(rest, " (")
			if _, err := fmt.Sscan(count, &size); err != nil {
				t.Fatalf("%s: %q: %v", name, line, err)
			}
			octets, size = rest, 2*size
		}
		if size > len(frame) || !strings.HasPrefix(frame, begins) || !strings.HasSuffix(frame[:size], octets) {
			t.Errorf("%s: the page has %q where the example has %.100s", name, line, frame)
			return
		}
		frame = frame[size:]
	}
	if frame != "" {
		t.Errorf("%s: the page does not show %.100s", name, frame)
	}
}
