package main

import (
	"context"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestMain lets the test's program be the child processes that bench starts.
func TestMain(m *testing.M) {
	if slices.Contains(os.Args, "-child") {
		main()
		os.Exit(0)
	}
	// With -race a process waits for a second when it ends, unless told not to.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func TestSmoke(t *testing.T) {
	var out strings.Builder
	if err := run(context.Background(), []string{"-smoke", "-ours", reference}, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	line := regexp.MustCompile(`(?m)^figure (\S+) ours=(\S+) reference=(\S+) ratio=(\d+\.\d\d) target=\S+ spread=\S+$`)
	found := line.FindAllStringSubmatch(out.String(), -1)
	want := slices.DeleteFunc(slices.Clone(figures), func(f figure) bool { return f.told })
	if len(found) != len(want) {
		t.Errorf("%d figures, want %d:\n%s", len(found), len(want), out.String())
	}
	for _, f := range found {
		if f[2] == "0.00" || f[3] == "0.00" || f[4] == "0.00" {
			t.Errorf("nothing was measured: %s", f[0])
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, args := range []string{"-ours nonsense", "-runs 0", "-figures (", "-figures nothing", "-duration -1s", "-no-such-flag", "argument", "-child {"} {
		var out strings.Builder
		if err := run(context.Background(), strings.Fields(args), &out); err == nil || out.Len() > 0 {
			t.Errorf("%s: %v, %q", args, err, out.String())
		}
	}
}

func TestReport(t *testing.T) {
	at, beside := whispers(sealed, 64), whispers(curve, 64)
	for _, test := range []struct {
		figure          figure
		ours, reference []float64
		line            string
		met             bool
	}{
		{figure{name: "a", target: 8}, []float64{9, 8, 7}, []float64{1, 2, 0}, "figure a ours=8.00 reference=1.00 ratio=8.00 target=8 spread=7.00..9.00/0.00..2.00", true},
		{figure{name: "b", target: 8}, []float64{7990}, []float64{1000}, "figure b ours=7990 reference=1000 ratio=7.99 target=8 spread=7990..7990/1000..1000", false},
		{figure{name: "c", target: 0.8, lower: true}, []float64{80}, []float64{100}, "figure c ours=80.00 reference=100.00 ratio=0.80 target=0.8 spread=80.00..80.00/100.00..100.00", true},
		{figure{name: "d", target: 0.8, lower: true}, []float64{81}, []float64{100}, "figure d ours=81.00 reference=100.00 ratio=0.81 target=0.8 spread=81.00..81.00/100.00..100.00", false},
		{figure{name: "e", lower: true, absolute: true}, []float64{0.004}, []float64{9}, "figure e ours=0.00 reference=9.00 ratio=0.00 target=0 spread=0.00..0.00/9.00..9.00", true},
		{figure{name: "f", lower: true, absolute: true}, []float64{0.01}, []float64{9}, "figure f ours=0.01 reference=9.00 ratio=0.00 target=0 spread=0.01..0.01/9.00..9.00", false},
		{figure{name: "g", lower: true, told: true}, []float64{5}, []float64{1}, "# g ours=5.00 reference=1.00 ratio=5.00 spread=5.00..5.00/1.00..1.00", true},
	} {
		test.figure.ours, test.figure.reference, test.figure.value = at, beside, rate
		taken := map[trial][]result{}
		for _, v := range test.ours {
			taken[at] = append(taken[at], result{Rate: v})
		}
		for _, v := range test.reference {
			taken[beside] = append(taken[beside], result{Rate: v})
		}
		line, met := test.figure.report(taken)
		if line != test.line || met != test.met {
			t.Errorf("%q, met %v; want %q, %v", line, met, test.line, test.met)
		}
	}
}

func TestMessagesAreChecked(t *testing.T) {
	good := []byte{7: 5, 9: 0}
	if err := checkMessage(good, 5, 10); err != nil {
		t.Error(err)
	}
	if checkMessage(good, 4, 10) == nil || checkMessage(good, 5, 11) == nil || checkMessage(nil, 0, 10) == nil {
		t.Error("a wrong message passes")
	}
}
