// Package beacon lets nodes of one network find each other without a server:
// each broadcasts a small datagram with its UUID and TCP port, and its key if it
// speaks CURVE, and hears those of the others (RFC 36 and 43, "Discovery"). It also
// tells which network interfaces can be used for that.
//
// A sighting proves nothing: anyone on the network can send any beacon, with any
// key. It is a hint where to connect, and the conversation there decides.
package beacon

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/sight"
)

// Announcement is what a node tells of itself.
type Announcement struct {
	ID       uuid.UUID
	Port     uint16        // TCP port on which the node accepts connections, not 0
	Key      [32]byte      // public key of CURVE; zero for a node without
	Interval time.Duration // between two beacons, more than 0
}

// Beacon announces a node to a network and hears the others.
type Beacon interface {
	// Run announces until ctx ends, says goodbye and returns nil. The first
	// beacon goes out at once, the next ones sooner than the interval, later
	// ones less often where many are heard; all waits vary by a tenth. It calls see for every beacon that others send,
	// also if their id is the node's own, from one goroutine and never after Run has
	// returned; while see runs, further beacons wait in a bounded queue and are then dropped.
	//
	// Run returns an error at once if the announcement is invalid or the
	// network cannot be heard at all; what fails later is retried.
	Run(ctx context.Context, announce Announcement, see func(sight.Sighting)) error
}

// ErrAnnouncement is returned for an announcement without id, port or interval.
var ErrAnnouncement = errors.New("beacon: an announcement needs an id, a port and an interval")

func (a Announcement) check() error {
	if a.ID == uuid.Nil || a.Port == 0 || a.Interval <= 0 {
		return ErrAnnouncement
	}
	return nil
}
