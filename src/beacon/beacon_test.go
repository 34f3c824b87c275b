package beacon

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// id returns a UUID that differs in its last octet.
func id(n byte) uuid.UUID { return uuid.UUID{15: n, 0: 0xA0} }

func TestAnnouncementIsChecked(t *testing.T) {
	for name, a := range map[string]Announcement{
		"no id":       {Port: 1, Interval: time.Second},
		"no port":     {ID: id(1), Interval: time.Second},
		"no interval": {ID: id(1), Port: 1},
	} {
		for kind, b := range map[string]Beacon{"hub": NewHub().Host("10.0.0.1"), "udp": &UDP{Port: 1}} {
			err := b.Run(context.Background(), a, func(Sighting) { t.Error("sighting") })
			if !errors.Is(err, ErrAnnouncement) {
				t.Errorf("%s, %s: %v", kind, name, err)
			}
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
		{1, 0.5, []time.Duration{1, 1, 1}},
	} {
		plan := newSchedule(test.interval, func() float64 { return test.random })
		for i, want := range test.want {
			if got := plan.wait().Round(want / 100); got != want {
				t.Errorf("interval %v, random %v: wait %d is %v, want %v", test.interval, test.random, i, got, want)
			}
		}
	}
}
