package share

import (
	"context"
	"fmt"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/check"
	"github.com/sjohnr/at-once/src/control"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/node"
)

// protects fails if another process runs the node with less protection than this program
// asks for: what it says must not go out plainer than it has chosen.
func protects(ctx context.Context, far *control.Client, front *node.Front) error {
	ctx, cancel := context.WithTimeout(ctx, control.Answering)
	defer cancel()
	want := front.Level
	if want == (guard.Level{Security: api.NodeSecurityAuto, Trust: api.NodeTrustOpen}) && len(front.Sealed) == 0 {
		return nil
	}
	has, err := far.Ask(ctx, askProtection, nil)
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
	if len(front.Sealed) == 0 || security >= api.NodeSecuritySecure {
		return nil
	}
	sealed, err := far.Ask(ctx, askSealed, nil)
	if err != nil {
		return err
	}
	for _, group := range front.Sealed {
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
