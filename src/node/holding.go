package node

import (
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
)

// holding is what a member has said of the roll that it has.
type holding struct {
	rank     identity.Rank
	offers   bool            // it is later than ours, as far as is known
	given    identity.Rank   // of the roll that it was brought last
	answered guard.Allowance // of its ASKs
	brought  guard.Allowance // of its ROLLs

	hasServers bool            // it has the addresses of servers that the roll vouches for
	sought     guard.Allowance // of what it is asked for them
	serving    identity.Rank   // of the roll for which it was brought them last
	servings   guard.Allowance // of its ASK-SERVERS
}
