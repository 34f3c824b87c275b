package node

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncecontrol"
	"github.com/sjohnr/at-once/src/check"
	"github.com/sjohnr/at-once/src/control"
	"github.com/sjohnr/at-once/src/guard"
)

// protects fails if another process runs the node with less protection than this program
// asks for: what it says must not go out plainer than it has chosen.
func (n *Node) protects(ctx context.Context, far *control.Client) error {
	ctx, cancel := context.WithTimeout(ctx, oncecontrol.MaxAnswering*time.Millisecond)
	defer cancel()
	config := n.protection()
	want := config.Level()
	if want == (guard.Level{Security: api.NodeSecurityAuto, Trust: api.NodeTrustOpen}) && len(n.sealed) == 0 {
		return nil
	}
	has, err := far.Ask(ctx, "protection", nil)
	if err != nil {
		return fmt.Errorf("whether it protects what is said as this program asks for is not known: %w", err)
	}
	figures := numbers(has)
	security, trust := api.NodeSecurity(figures["security"]), api.NodeTrust(figures["trust"])
	if security < want.Security {
		return lacks("security", security, want.Security)
	}
	if trust < want.Trust {
		return lacks("trust", trust, want.Trust)
	}
	if len(n.sealed) == 0 || security >= api.NodeSecuritySecure {
		return nil
	}
	sealed, err := far.Ask(ctx, "sealed", nil)
	if err != nil {
		return err
	}
	for _, group := range slices.Sorted(maps.Keys(n.sealed)) {
		if _, is := sealed[group]; !is {
			return fmt.Errorf("it does not keep the group %s sealed, as this program asks for", check.Quote(group))
		}
	}
	return nil
}

// lacks says that the other process has chosen less of something.
func lacks(what string, has, want fmt.Stringer) error {
	return fmt.Errorf("it runs with %s %v, and this program asks for %v", what, has, want)
}
