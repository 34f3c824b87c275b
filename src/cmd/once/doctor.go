package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// In how much time nodes are expected to meet: at least, and at most.
const (
	leastGreeting = time.Second
	mostGreeting  = 10 * time.Minute
)

// How long it is looked around, how long for a direct way to a peer, and how much longer for
// servers of which it is not known yet whether they answer: as long as attempts last.
const (
	looking  = 3 * time.Second
	reaching = 15 * time.Second
	knocking = 15 * time.Second
)

func doctorCommand(with *common) *cobra.Command {
	var wait time.Duration
	var groups []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor [NAME-or-ID] [--group GROUP]... [--wait 3s] [--json]",
		Short: "find out why nodes do not find each other, and what to do",
		Long: `Doctor looks at the interfaces, starts a node, and tells whether its beacons are
heard, whether its servers answer, where they see it and what its NAT does,
whether it accepts connections, who it is and how it protects what it says, who
is there, who is refused, and what is odd about them. If a node runs with the
identity already, that one is asked; if it does not let itself be asked, it is
left alone, and another looks around.
Each line is ok, warn or fail, with what was found; the next says what to do.
The exit status is 1 if something fails. A server may take it longer than --wait
to be known to answer, or not to.

With a NAME it tells how that peer is reached, what was tried for that, and why
the rest has failed; --wait is for how long it looks for a direct way, 15s if it
is not given.`,
		Example: `  once doctor
  once doctor ana --wait 10s
  once doctor --interface eth0 --json | jq 'select(.status != "ok")'`,
		Args: cobra.MaximumNArgs(1),
		RunE: whileRead(func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				if !with.given("wait") {
					wait = reaching
				}
				return examinePeer(cmd.Context(), with, args[0], groups, wait, asJSON)
			}
			with.config.Greeting = min(max(wait*3/4, leastGreeting), mostGreeting) // so that who cannot be met is known by the end
			findings, err := examine(cmd.Context(), with, groups, wait)
			if err != nil {
				return err
			}
			for _, f := range findings {
				if err := f.print(os.Stdout, asJSON); err != nil {
					return err
				}
			}
			if slices.ContainsFunc(findings, func(f finding) bool { return f.Status == fail }) {
				return errUnwell
			}
			return nil
		}),
	}
	waitFlag(cmd.Flags(), &wait, looking, "how long to listen to the network")
	cmd.Flags().StringArrayVar(&groups, "group", nil, "`GROUP` to join, whose members are connected with; may be repeated")
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

// examine answers all questions. It fails only if it is interrupted, or was asked
// wrongly.
func examine(ctx context.Context, with *common, groups []string, wait time.Duration) ([]finding, error) {
	findings := []finding{checkInterfaces(with)}
	with.brief = true
	node, err := with.start(ctx, io.Discard, groups...)
	if isUsage(err) {
		return nil, err
	}
	as := with
	if errors.Is(err, once.ErrInUse) {
		findings = append(findings, finding{warn, "node", "one runs already: " + err.Error(),
			"if that is the node that you mean, all is well: it is left alone, and somebody new has found what follows"})
		as = with.somebodyNew()
		node, err = as.start(ctx, io.Discard, groups...)
	}
	if err != nil {
		return append(findings, refusal(err)), nil
	}
	defer node.Close()
	if holder := node.Holder(); holder != "" {
		findings = append(findings, finding{fine, "node", "runs already, as " + node.Name() + " in process " + holder + ", and is asked", ""})
	}
	odd, replaced, err := overhear(ctx, node, wait)
	if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return nil, err
	}
	id := node.UUID()
	if as != with {
		id = with.config.Identity.UUID()
	}
	findings = append(findings, checkConnections(ctx, node.Endpoint()))
	findings = append(findings, checkIdentity(with.config.Identity, id, time.Now()), checkSecurity(as, node.Endpoint()))
	switch counts := node.Counts(); {
	case node.Holder() == "":
		findings = append(findings, checkBeacons(as, counts)...)
	case counts["beacons sent"] == 0:
		findings = append(findings, finding{fine, "beacons", "none are sent by the node that runs: gossip replaces them, or its --port is 0", ""})
	default: // on a port that only that node knows
		findings = append(findings, judgeBeacons(counts, "by the node that runs", "the UDP port of that"))
	}
	findings = append(findings, checkServers(as, node.GossipServers())...)
	findings = append(findings, checkBeyond(node.Servers(), node.Beyond())...)
	findings = append(findings, odd...)
	findings = append(findings, checkLives(replaced, node.Counts())...)
	if as != with && with.config.Identity.Network() != "" {
		return findings, nil // members show themselves to members only
	}
	return append(findings, checkPeers(node.Peers(), len(node.Known()), time.Now())...), nil
}

// overhear returns what is odd of what happens in a while, and longer if there are servers of
// which it is not known yet whether they answer; and who was replaced. It fails with
// context.DeadlineExceeded if nothing else ends it.
func overhear(ctx context.Context, node *once.Node, wait time.Duration) (odd []finding, replaced []string, err error) {
	take := func(event once.Event) error {
		switch e := event.(type) {
		case *once.Notice:
			odd = append(odd, finding{warn, "network", e.Text, "see whether it lasts; once interfaces lists what there is now"})
		case *once.Twin:
			odd = append(odd, finding{fail, "twin", twin(e), copied})
		case *once.Exit:
			if e.Reason == once.Replaced {
				replaced = append(replaced, fmt.Sprintf("%s (%s)", clean(e.Peer.Name()), e.Peer.UUID()))
			}
		case *once.Unreachable:
			odd = append(odd, finding{fail, "reach", refused(e.Peer, e.Text) + toldAgo(e), "nft list ruleset shows what a firewall drops"})
		case *once.Refusal:
			odd = append(odd, finding{warn, "refused", refused(e.Peer, e.Text) + toldAgo(e), wayIn(e)})
		}
		return nil
	}
	never := func() bool { return false }
	err = await(ctx, node, wait, never, take)
	for until := time.Now().Add(knocking); errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil && sought(node) && time.Now().Before(until); {
		err = await(ctx, node, glance, never, take)
	}
	return odd, replaced, err
}

// sought tells whether there is a server of which it is not known yet whether it answers.
func sought(node *once.Node) bool {
	for name := range node.Beyond() {
		if strings.HasPrefix(name, "sought ") {
			return true
		}
	}
	return false
}
