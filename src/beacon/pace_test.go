package beacon

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestPace(t *testing.T) {
	for _, test := range []struct {
		interval time.Duration
		others   int
		want     time.Duration
	}{
		{time.Second, 0, time.Second},
		{time.Second, 49, time.Second},
		{time.Second, 50, 1020 * time.Millisecond},
		{time.Second, 199, 4 * time.Second},
		{5 * time.Second, 199, 5 * time.Second},
		{10 * time.Millisecond, 31, 640 * time.Millisecond},
		{time.Second, 1 << 30, 20020 * time.Millisecond},
	} {
		if got := pace(test.interval, test.others); got != test.want {
			t.Errorf("interval %v, %d others: %v, want %v", test.interval, test.others, got, test.want)
		}
	}
}

func TestScheduleHurriesAtFirst(t *testing.T) {
	for _, test := range []struct {
		interval time.Duration
		random   float64
		want     []time.Duration
	}{
		{1600 * time.Millisecond, 0.5, []time.Duration{100e6, 400e6, 1600e6, 1600e6}},
		{1600 * time.Millisecond, 0, []time.Duration{90e6, 360e6, 1440e6, 1440e6}},
		{1600 * time.Millisecond, 1, []time.Duration{110e6, 440e6, 1760e6, 1760e6}},
		{1, 0.5, []time.Duration{1, 4, 16, 64}},
	} {
		plan := newSchedule(test.interval, func() float64 { return test.random })
		for i, want := range test.want {
			if got := plan.wait().Round(want / 100); got != want {
				t.Errorf("interval %v, random %v: wait %d is %v, want %v", test.interval, test.random, i, got, want)
			}
		}
		plan.hurry()
		if got, want := plan.wait().Round(test.want[0]/100), test.want[0]; got != want {
			t.Errorf("interval %v, random %v: after hurry %v, want %v", test.interval, test.random, got, want)
		}
	}
}

// TestScheduleSlowsInACrowd hears 99 others, who come and go while we wait.
func TestScheduleSlowsInACrowd(t *testing.T) {
	plan := newSchedule(time.Second, func() float64 { return 0.5 })
	hear := func(from, to int) {
		for n := from; n < to; n++ {
			var id uuid.UUID
			binary.BigEndian.PutUint32(id[:], uint32(n)+1)
			plan.heard(id)
			plan.heard(id)
		}
	}
	for range 5 {
		hear(0, 99)
		plan.wait()
	}
	for _, step := range []struct {
		from, to int // heard while waiting
		want     time.Duration
	}{
		{0, 49, 2 * time.Second},        // as planned when the last wait began
		{49, 99, 2 * time.Second},       // all are heard within two waits
		{0, 0, 2 * time.Second},         //
		{0, 0, 1020 * time.Millisecond}, // half of them were, in the wait before
		{0, 0, time.Second},
		{0, 2 * maxCrowd, time.Second},
		{0, 0, 4 * time.Second}, // no more than four times the last wait
	} {
		hear(step.from, step.to)
		if got := plan.wait(); got != step.want {
			t.Errorf("hearing %d to %d: waits %v, want %v", step.from, step.to, got, step.want)
		}
	}
}
