package node

import (
	"time"

	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
)

// quest is what a member was asked for: the addresses that a roll vouches for.
type quest struct {
	rank identity.Rank
	at   time.Time
}

// holding is what a member has said of the roll that it has.
type holding struct {
	rank     identity.Rank
	offers   bool            // it is later than ours, as far as is known
	given    identity.Rank   // of the roll that it was brought last
	answered guard.Allowance // of its ASKs
	brought  guard.Allowance // of its ROLLs

	served   bool            // it has the addresses of servers that the roll vouches for
	sought   guard.Allowance // of what it is asked for them
	serving  identity.Rank   // of the roll for which it was brought them last
	servings guard.Allowance // of its ASK-SERVERS
}
