package sight

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/google/uuid"
)

// Announcement is what a node tells of itself.
type Announcement struct {
	ID          uuid.UUID
	Incarnation uint64        // higher at each start of the node, and not 0
	Port        uint16        // TCP port on which the node accepts connections, not 0
	Key         [32]byte      // public key of CURVE; zero for a node without
	Interval    time.Duration // between two announcements to who keeps none, more than 0

	// Reached returns where peers can reach the node that are told so over a connection
	// from an address of this host, and the node's key; none is nowhere. It must not
	// call the source.
	Reached func(local net.Addr) Endpoint
}

// Source tells others of a node, and the node of others.
type Source interface {
	// Run announces the node until ctx ends; then it withdraws the node and returns nil.
	// It returns an error at once if it can never do so; what fails later is tried again.
	//
	// Run calls sighted for whom it hears of, for the same again and again, and for
	// others that have the node's own id. It may do so from several goroutines, but never
	// after it has returned; while sighted runs, what else is heard waits or is dropped.
	Run(ctx context.Context, node Announcement, sighted func([]Sighting)) error

	// Renew announces the node anew, because it is reached elsewhere than before. It may
	// be called from any goroutine at any time.
	Renew()

	fmt.Stringer // names the source in logs
}
