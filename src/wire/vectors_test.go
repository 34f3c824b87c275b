package wire_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/wire"
)

// vector is a message as another implementation encodes it; see the README of
// the vectors for the short forms in it.
type vector struct {
	name    string
	message zremsg.Message
	frames  [][]byte
}

func vectors(t testing.TB) []vector {
	t.Helper()
	file, err := os.ReadFile("testdata/zre_msg.json")
	must(t, err)
	var list []struct {
		Name   string
		Fields map[string]any
		Frames []string
	}
	must(t, json.Unmarshal(file, &list))
	result := make([]vector, len(list))
	for i, v := range list {
		frames := octets(t, v.Frames)
		id, err := zremsg.Peek(frames[0])
		must(t, err)
		result[i] = vector{v.Name, message(t, id, v.Fields), frames}
	}
	return result
}

// message makes a message from the fields of a vector, by way of JSON as
// package json likes it.
func message(t testing.TB, id zremsg.ID, fields map[string]any) zremsg.Message {
	t.Helper()
	tidy := map[string]any{}
	for name, value := range fields {
		switch name {
		case "content":
			var list []string
			for _, frame := range value.([]any) {
				list = append(list, frame.(string))
			}
			value = octets(t, list)
		case "digest", "roll", "key":
			value = octets(t, []string{value.(string)})[0]
		case "headers":
			pairs := []wire.Pair{}
			for key, text := range value.(map[string]any) {
				long := strings.ReplaceAll(text.(string), "v x 300", strings.Repeat("v", 300))
				pairs = append(pairs, wire.Pair{Key: key, Value: long})
			}
			value = pairs
		}
		tidy[strings.ReplaceAll(name, " ", "")] = value
	}
	text, err := json.Marshal(tidy)
	must(t, err)
	m := zremsg.New(id)
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	must(t, decoder.Decode(m))
	return m
}

func octets(t testing.TB, list []string) [][]byte {
	t.Helper()
	frames := make([][]byte, len(list))
	for i, text := range list {
		frame, err := hex.DecodeString(text)
		must(t, err)
		frames[i] = frame
	}
	return frames
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestVectorsEncode(t *testing.T) {
	for _, v := range vectors(t) {
		frame, err := v.message.AppendTo(nil)
		if err != nil || !bytes.Equal(frame, v.frames[0]) {
			t.Errorf("%s: encoded as %x, %v\nwant %x", v.name, frame, err, v.frames[0])
		}
		if v.message.Size() != len(frame) {
			t.Errorf("%s: Size is %d, encoded %d octets", v.name, v.message.Size(), len(frame))
		}
	}
}

func TestVectorsDecode(t *testing.T) {
	for _, v := range vectors(t) {
		m := zremsg.New(v.message.ID())
		if err := m.Decode(v.frames[0], v.frames[1:]); err != nil {
			t.Errorf("%s: %v", v.name, err)
		}
		// Printed, because an empty list may be nil.
		if got, want := fmt.Sprintf("%+v", m), fmt.Sprintf("%+v", v.message); got != want {
			t.Errorf("%s: decoded as %s\nwant %s", v.name, got, want)
		}
	}
}

func TestVectorsCoverTheProtocol(t *testing.T) {
	seen := map[zremsg.ID]bool{}
	for _, v := range vectors(t) {
		seen[v.message.ID()] = true
	}
	for id := zremsg.ID(1); zremsg.New(id) != nil; id++ {
		if !seen[id] {
			t.Errorf("no vector for %v", id)
		}
	}
}

func TestEveryPrefixFails(t *testing.T) {
	for _, v := range vectors(t) {
		for n := range v.frames[0] {
			err := zremsg.New(v.message.ID()).Decode(v.frames[0][:n], v.frames[1:])
			if !errors.Is(err, wire.ErrShort) {
				t.Errorf("%s: first %d octets: %v", v.name, n, err)
			}
		}
	}
}

func TestWhatFollowsTheEndFails(t *testing.T) {
	for _, v := range vectors(t) {
		m := zremsg.New(v.message.ID())
		for octet := range 256 {
			longer := append(bytes.Clone(v.frames[0]), byte(octet))
			if err := m.Decode(longer, v.frames[1:]); !errors.Is(err, wire.ErrTrailing) {
				t.Errorf("%s: octet %#x after the end: %v", v.name, octet, err)
			}
		}
		if len(v.frames) == 1 {
			if err := m.Decode(v.frames[0], [][]byte{nil}); !errors.Is(err, wire.ErrTrailing) {
				t.Errorf("%s: an empty frame after the end: %v", v.name, err)
			}
		}
	}
}
