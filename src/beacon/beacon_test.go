package beacon

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/sjohnr/at-once/src/sight"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// id returns a UUID that differs in its last octet.
func id(n byte) uuid.UUID { return uuid.UUID{15: n, 0: 0xA0} }

func TestAnnouncementIsChecked(t *testing.T) {
	for name, a := range map[string]sight.Announcement{
		"no id":       {Port: 1, Interval: time.Second},
		"no port":     {ID: id(1), Interval: time.Second},
		"no interval": {ID: id(1), Port: 1},
	} {
		udp, err := Listen(context.Background(), uint16(freePort(t)), nil)
		if err != nil {
			t.Fatal(err)
		}
		for kind, b := range map[string]sight.Source{"hub": NewHub(0).Host("10.0.0.1"), "udp": udp} {
			err := b.Run(context.Background(), a, func([]sight.Sighting) { t.Error("sighting") })
			if !errors.Is(err, ErrAnnouncement) {
				t.Errorf("%s, %s: %v", kind, name, err)
			}
		}
	}
}
