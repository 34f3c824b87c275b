package channel

import (
	"testing"

	"github.com/google/uuid"
)

func TestMissedSays(t *testing.T) {
	id := uuid.UUID{1}
	for _, test := range []struct {
		missed Missed
		want   string
	}{
		{Missed{id, "ben", 1, 0, "it gets none"}, "ben (01000000-0000-0000-0000-000000000000): 1 message, " + "it gets none"},
		{Missed{id, "ben", 2, 30, ""}, "ben (01000000-0000-0000-0000-000000000000): 2 messages, 30 octets"},
		{Missed{uuid.Nil, "", 2, 30, "expired"}, "others: 2 messages, 30 octets, expired"},
	} {
		if got := test.missed.String(); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}
