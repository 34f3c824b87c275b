package auction

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/sjohnr/at-once/examples/auction/generated/go/auctionmsg"
	"github.com/sjohnr/at-once/src/wire"
)

// vector is one of those that once-model has printed beside the codec: a message to read, or, with
// an error, to refuse.
type vector struct {
	Name, Case, Error, Field string
	Frames                   []string
}

// The codec reads what it has to, writes the same again, and refuses the rest for the right field.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("generated/vectors/golden/auction_msg.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct{ Valid, Malformed []vector }
	if err := json.Unmarshal(text, &vectors); err != nil || len(vectors.Valid) < 8 || len(vectors.Malformed) < 28 {
		t.Fatalf("%d and %d vectors, %v", len(vectors.Valid), len(vectors.Malformed), err)
	}
	ids := map[string]byte{"LOT": 1, "BID": 2, "PRICE": 3, "SOLD": 4}
	for _, v := range append(vectors.Valid, vectors.Malformed...) {
		var frames [][]byte
		for _, frame := range v.Frames {
			octets, err := hex.DecodeString(frame)
			if err != nil {
				t.Fatal(err)
			}
			frames = append(frames, octets)
		}
		m := auctionmsg.New(auctionmsg.ID(ids[v.Name]))
		err := m.Decode(frames[0], frames[1:])
		if v.Error != "" {
			var fault *wire.Error
			if !errors.As(err, &fault) || fault.Field != v.Field {
				t.Errorf("%s, %s: %v, want %s in %q", v.Name, v.Case, err, v.Error, v.Field)
			}
			continue
		}
		if again, encodes := m.AppendTo(nil); err != nil || encodes != nil || !bytes.Equal(again, frames[0]) {
			t.Errorf("%s, %s: %v, %v, %x", v.Name, v.Case, err, encodes, again)
		}
	}
}
