package node

import (
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/zre"
)

// outbound is what our words to a peer go over: a connection that we made to it, or our direction
// of a channel, over one link after another, whoever made them. It is the loop's.
type outbound struct {
	*channel.Path
	id       zre.LinkID
	peer     uuid.UUID      // who is there, as far as is known
	endpoint sight.Endpoint // where it leads
	host     string         // that all endpoints were on that were tried; empty for several
	since    time.Time      // when it stood
	waited   time.Duration  // before it was made
}
