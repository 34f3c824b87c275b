package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestTableFits(t *testing.T) {
	for _, columns := range []int{200, 80, 60, 40, 20, 5, 1} {
		records := []peerRecord{
			{Peer: ben.id.String(), Name: strings.Repeat("长名", 50), Endpoint: "tcp://[fe80::1234:5678:9abc%interface0]:12345|key", Protection: "sealed", Groups: []string{strings.Repeat("group", 30)}},
			{Peer: carl.id.String(), Name: "👩\u200d👩\u200d👧 e\u0301 नमस्ते \x1b[2J\n", Endpoint: "tcp://127.0.0.1:1", Protection: "plain", Groups: []string{"a", "b"}},
			{Peer: ben2.id.String(), Endpoint: "tcp://127.0.0.1:1", Protection: "curve"},
		}
		var text strings.Builder
		if err := peerTable(records, columns, false).print(&text, columns); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
		if len(lines) != 4 {
			t.Fatalf("%d lines:\n%s", len(lines), text.String())
		}
		for _, line := range lines {
			if width(line) > columns || strings.ContainsFunc(line, func(r rune) bool { return !safe(r) }) {
				t.Errorf("%q does not fit into %d columns", line, columns)
			}
		}
		if columns < 80 {
			continue
		}
		at := width(lines[0][:strings.Index(lines[0], "ID ")])
		for i, id := range []string{"2adfff46-0000-8000-8000-000000000001", "55550000", "2adfff46-0000-8000-8000-000000000002"} {
			if columns == 80 {
				id = id[:8]
			}
			if rest := strings.TrimPrefix(lines[i+1], fitting(lines[i+1], at)); !strings.HasPrefix(rest, id) {
				t.Errorf("in %d columns the id %s is not at %d: %q", columns, id, at, lines[i+1])
			}
		}
	}
}

// TestIDsGiveWay has ids shortened where a table is too wide, and only there.
func TestIDsGiveWay(t *testing.T) {
	for columns, want := range map[int]string{
		80: "NAME  ID                                    UNTIL\nben   2adfff46-0000-8000-8000-000000000001  2027\ncarl  55550000-0000-8000-8000-000000000006  2027\n",
		40: "NAME  ID        UNTIL\nben   2adfff46  2027\ncarl  55550000  2027\n",
	} {
		list := table{[]string{"NAME", "ID", "UNTIL"}, [][]string{{"ben", ben.id.String(), "2027"}, {"carl", carl.id.String(), "2027"}}}
		var text strings.Builder
		if err := list.print(&text, columns); err != nil || text.String() != want {
			t.Errorf("in %d columns it is\n%s%v", columns, text.String(), err)
		}
	}
}

func TestShrink(t *testing.T) {
	for _, test := range []struct {
		widths []int
		cells  int
		want   []int
	}{
		{[]int{5, 5}, 20, []int{5, 5}},
		{[]int{40, 8, 20}, 50, []int{22, 8, 20}},
		{[]int{40, 8, 40}, 49, []int{21, 8, 20}},
		{[]int{40, 8, 3}, 5, []int{8, 8, 3}},
	} {
		if shrink(test.widths, test.cells); !slices.Equal(test.widths, test.want) {
			t.Errorf("for %d cells they are %v, want %v", test.cells, test.widths, test.want)
		}
	}
}

func TestFigures(t *testing.T) {
	for x, want := range map[float64]string{0: "0", 0.4: "0", 12.3: "12", 999.4: "999", 999.6: "1.0k", 1234: "1.2k", 12345: "12k", 999_600: "1.0M", 5e9: "5.0G", 2e15: "2000T"} {
		if got := scaled(x); got != want {
			t.Errorf("%v is shown as %s, want %s", x, got, want)
		}
	}
	for trip, want := range map[time.Duration]string{123456: "123µs", 1234567: "1.23ms", 12345678: "12.3ms", 1234567890: "1.23s", 999: "999ns"} {
		if got := trip.Round(roundTo(trip)).String(); got != want {
			t.Errorf("%d ns are shown as %s, want %s", trip, got, want)
		}
	}
	if got := flowOf(10, 30, 1000, 5000, 2); got != (flow{10, 2000}) {
		t.Errorf("the flow is %v", got)
	}
	if got := flowOf(10, 3, 1000, 300, 2); got != (flow{}) {
		t.Errorf("the flow of one who has come back is %v", got)
	}
}

// TestEachIsAskedInTurn has more peers than are asked at once.
func TestEachIsAskedInTurn(t *testing.T) {
	m := newMeter(nil)
	for range 3 * maxAsked {
		m.peers[uuid.New()] = new(measured)
	}
	now := time.Now()
	asked := map[uuid.UUID]bool{}
	for range 3 {
		now = now.Add(measureAgain)
		due := m.due()
		if len(due) != maxAsked {
			t.Fatalf("%d are asked at once", len(due))
		}
		for _, id := range due {
			m.peers[id].asked, asked[id] = now, true
		}
	}
	if len(asked) != len(m.peers) {
		t.Errorf("%d of %d have had their turn", len(asked), len(m.peers))
	}
	m.asking = maxAsked - 1
	if due := m.due(); len(due) != 1 {
		t.Errorf("%d are asked while %d are yet to answer", len(due), m.asking)
	}
}
