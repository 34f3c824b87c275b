package check_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/sjohnr/at-once/src/check"
)

func TestLimits(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct {
		name string
		err  error
		want string // what is given and allowed; empty if the argument passes
	}{
		{"shortest text", check.Text("Join", "group", "a", 1, 3), ""},
		{"longest text", check.Text("Join", "group", "abc", 1, 3), ""},
		{"octets, not letters", check.Text("Join", "group", "été", 1, 3), "5 octets given, 1 to 3 octets allowed"},
		{"empty text", check.Text("Join", "group", "", 1, 3), "0 octets given, 1 to 3 octets allowed"},
		{"lowest number", check.Number("Join", "group", 0, 0, 65535), ""},
		{"highest number", check.Number("Join", "group", 65535, 0, 65535), ""},
		{"number too low", check.Number("Join", "group", -1, 0, 65535), "-1 given, 0 to 65535 allowed"},
		{"number too high", check.Number("Join", "group", math.MaxInt64, 0, 65535), "9223372036854775807 given, 0 to 65535 allowed"},
		{"shortest time", check.Duration("Join", "group", 10*ms, 10*ms, time.Hour), ""},
		{"longest time", check.Duration("Join", "group", time.Hour, 10*ms, time.Hour), ""},
		{"time too short", check.Duration("Join", "group", 10*ms-1, 10*ms, time.Hour), "9.999999ms given, 10ms to 1h0m0s allowed"},
		{"time too long", check.Duration("Join", "group", math.MaxInt64, 10*ms, time.Hour), "2562047h47m16.854775807s given, 10ms to 1h0m0s allowed"},
		{"one empty frame", check.Frames("Join", "group", [][]byte{nil}, 1, 2), ""},
		{"no frames", check.Frames("Join", "group", nil, 1, 2), "0 frames given, 1 to 2 frames allowed"},
		{"what is there", check.Given("Join", "group", true, "one that is not nil"), ""},
		{"what is not there", check.Given("Join", "group", false, "one that is not nil"), "want one that is not nil"},
		{"too many frames", check.Frames("Join", "group", make([][]byte, 3), 1, 2), "3 frames given, 1 to 2 frames allowed"},
	} {
		if test.want == "" {
			if test.err != nil {
				t.Errorf("%s: %v", test.name, test.err)
			}
			continue
		}
		want := "Join: group: " + test.want
		if !errors.Is(test.err, check.ErrArgument) || test.err.Error() != want {
			t.Errorf("%s: %v\nwant %s", test.name, test.err, want)
		}
	}
}

// An error may be told by another name, of another kind, and with the value.
func TestErrorIsToldAnew(t *testing.T) {
	kind := errors.New("kind")
	err := &check.Error{Method: "Join", Argument: "group", Value: check.Quote(strings.Repeat("ä", 99)), Allowed: "less", Kind: kind}
	want := `--group "` + strings.Repeat("ä", 32) + `"...: want less`
	if got := err.About("--group"); got != want || !errors.Is(err, kind) {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestNothingIsAllocatedWithinLimits(t *testing.T) {
	content := [][]byte{nil}
	if allocs := testing.AllocsPerRun(100, func() {
		if check.Text("Shout", "group", "ROOM", 1, 255) != nil || check.Frames("Shout", "content", content, 1, 1024) != nil {
			t.Fatal("within limits, but refused")
		}
	}); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
