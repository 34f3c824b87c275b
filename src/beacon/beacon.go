// Package beacon lets nodes of one network find each other without a server:
// each broadcasts a small datagram with its UUID and TCP port, and its key if it
// speaks CURVE, and hears those of the others (RFC 36 and 43, "Discovery"). It also
// tells which network interfaces can be used for that.
//
// A sighting proves nothing: anyone on the network can send any beacon, with any
// key. It is a hint where to connect, and the conversation there decides.
package beacon

import (
	"errors"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/sight"
)

// ErrAnnouncement is returned for an announcement without id, port or interval.
var ErrAnnouncement = errors.New("beacon: an announcement needs an id, a port and an interval")

func check(a sight.Announcement) error {
	if a.ID == uuid.Nil || a.Port == 0 || a.Interval <= 0 {
		return ErrAnnouncement
	}
	return nil
}
