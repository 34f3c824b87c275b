package zre

import (
	"cmp"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/wire"
)

// MaxPeers is how many peers are known at a time unless the settings say otherwise, half of
// them by sighting, so that a hostile network costs bounded memory. What comes later is
// dropped and counted.
const MaxPeers = api.DefaultNodeMaxPeers

// Config is what a core is made of. Signs must be set.
type Config struct {
	ID          uuid.UUID
	Name        string
	Endpoint    sight.Endpoint // the node's own, as it tells the application
	Headers     []wire.Pair    // the application's; see ReservedHeader
	Own         *Badge         // what the node itself can show, as it tells the application; nil for nothing
	Incarnation uint64         // higher at each start of the node
	Beacons     bool           // the node has a beacon, which says goodbye when it stops
	MaxPeers    int            // known at a time; 0 is the default of the model
	Greeting    time.Duration
	Evasive     time.Duration
	Silent      time.Duration
	Expired     time.Duration
	Away        time.Duration // in place of Expired for those beyond the LAN

	Signs func(uuid.UUID) Signs // asked for when a present peer seems to be quiet
	Moves func(Move)            // is told when a machine leaves a state, unless it is nil; it must not wait
}

// Move is that a machine left a state for another.
type Move struct {
	Machine            string
	About              string // the peer's id, or the group
	State, Event, Next string
}

func (c *Config) maxPeers() int { return cmp.Or(c.MaxPeers, MaxPeers) }

// slack is by how much a PING may be late, so that many go out in one go: to
// wake up is what an idle node spends most on.
func (c *Config) slack() time.Duration { return c.Evasive / 4 }

// stage is what all parts of a core share: the settings, the time of the Step, its
// outputs, and the timers.
type stage struct {
	config  Config
	wording int // of the greeting: higher each time that it says something else
	now     time.Time
	outputs []Output
	timers  timers
	lines   uint64 // the number of the latest connection that we made; no other life has the same ones
}

func (s *stage) emit(o Output)     { s.outputs = append(s.outputs, o) }
func (s *stage) count(name string) { s.emit(Count{name}) }

// Deadline returns when the core wants a Tick, or the zero time if never.
func (s *stage) Deadline() time.Time {
	if len(s.timers) == 0 {
		return time.Time{}
	}
	return s.timers[0].at
}
