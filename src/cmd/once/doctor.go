package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// What the doctor finds of something.
const (
	fine = "ok"
	warn = "warn"
	fail = "fail"
)

// errUnwell is why the program fails if something is found to.
var errUnwell = errors.New("something does not work: the lines that begin with fail say what to do")

// clockSlack is how far clocks may differ before it is worth a word.
const clockSlack = 2 * time.Second

func doctorCommand(with *common) *cobra.Command {
	var wait time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor [--wait 3s] [--json]",
		Short: "find out why nodes do not find each other, and what to do",
		Long: `Doctor looks at the interfaces, starts a node, and tells whether its beacons are
heard, whether it accepts connections, who is there, and what is odd about them.
Each line is ok, warn or fail, with what was found; the next says what to do. The
exit status is 1 if something fails.`,
		Example: `  once doctor
  once doctor --interface eth0 --json | jq 'select(.status != "ok")'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings, err := examine(cmd.Context(), with, wait)
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
		},
	}
	cmd.Flags().DurationVar(&wait, "wait", 3*time.Second, "how long to listen to the network")
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

// finding is the answer to one question.
type finding struct {
	Status string `json:"status"`
	Check  string `json:"check"`
	Found  string `json:"found"`
	Advice string `json:"advice,omitempty"`
}

func (f finding) print(w io.Writer, asJSON bool) (err error) {
	if asJSON {
		return writeJSON(w, f)
	}
	_, err = fmt.Fprintf(w, "%-4s  %-10s  %s\n", f.Status, f.Check, clean(f.Found))
	if f.Advice != "" && err == nil {
		_, err = fmt.Fprintf(w, "%18s%s\n", "", clean(f.Advice))
	}
	return err
}

// judge returns a finding: what is good if good is true, else status and advice.
func judge(good bool, check, found, status, otherwise, advice string) finding {
	if good {
		return finding{fine, check, found, ""}
	}
	return finding{status, check, otherwise, advice}
}

// examine answers all questions. It fails only if it is interrupted.
func examine(ctx context.Context, with *common, wait time.Duration) ([]finding, error) {
	findings := []finding{checkInterfaces()}
	node, err := with.start(ctx, io.Discard)
	if err != nil {
		return append(findings, refusal(err)), nil
	}
	defer node.Close()
	var notices []string
	err = await(ctx, node, wait, func() bool { return false }, func(event once.Event) error {
		if n, ok := event.(*once.Notice); ok {
			notices = append(notices, n.Text)
		}
		return nil
	})
	if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return nil, err
	}
	findings = append(findings, checkConnections(ctx, node.Endpoint()))
	findings = append(findings, checkBeacons(with, node.Counts())...)
	for _, notice := range notices {
		findings = append(findings, finding{warn, "network", notice, "it happened while the doctor looked: see whether it lasts"})
	}
	return append(findings, checkPeers(node.Peers(), time.Now())...), nil
}

func checkInterfaces() finding {
	interfaces, err := once.Interfaces()
	if err != nil {
		return finding{fail, "interfaces", err.Error(), "the system does not list its network interfaces: run as a user who may see them"}
	}
	var remote []string
	for _, i := range interfaces {
		if !i.Loopback() && i.Broadcast() != "" {
			remote = append(remote, fmt.Sprintf("%s (%s)", i.Name(), i.Address()))
		}
	}
	switch {
	case len(remote) > 0:
		return finding{fine, "interfaces", strings.Join(remote, ", "), ""}
	case len(interfaces) > 0:
		return finding{warn, "interfaces", "loopback only", "nodes of this host can meet, others not: plug in a cable, or join a wireless network"}
	}
	return finding{fail, "interfaces", "none is up and can broadcast", "bring one up: ip link set lo up is the least"}
}

// refusal explains why a node does not start.
func refusal(err error) finding {
	advice := "see once interfaces for what --interface can name, and the flags --port and --endpoint"
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		advice = "a program holds the port and does not share it: end it (ss -ulpn and ss -tlpn tell which), or choose another with --port or --endpoint"
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		advice = "this user may not use the port: choose one above 1023 with --port or --endpoint"
	}
	return finding{fail, "node", err.Error(), advice}
}

// checkConnections connects to where the node accepts connections.
func checkConnections(ctx context.Context, endpoint string) finding {
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", strings.TrimPrefix(endpoint, "tcp://"))
	if err != nil {
		return finding{fail, "tcp", err.Error(), "let the firewall pass TCP to this host; --endpoint tcp://*:5671 gives it one port to open"}
	}
	_ = conn.Close() // it has served its purpose
	return finding{fine, "tcp", "accepts connections at " + endpoint, ""}
}

// checkBeacons judges what was heard. The names are those of once.Node.Counts.
func checkBeacons(with *common, counts map[string]uint64) []finding {
	if with.port == 0 {
		return []finding{{warn, "beacons", "none are sent: --port is 0", "without beacons, nodes must be told of each other"}}
	}
	own, others := counts["own beacons heard"], counts["beacons heard"]
	findings := []finding{
		judge(own > 0, "beacons", fmt.Sprintf("sent and heard back on UDP port %d; %d heard of others", with.port, others),
			fail, fmt.Sprintf("sent, but not heard back on UDP port %d", with.port),
			fmt.Sprintf("let the firewall pass UDP port %d, in and out (nft list ruleset shows what it drops)", with.port)),
	}
	if secure := counts["beacons of secure nodes"]; secure > 0 {
		findings = append(findings, finding{warn, "security", fmt.Sprintf("%d beacons of nodes that speak CURVE only", secure),
			"they and this node do not talk to each other: start both with the same security"})
	}
	if elsewhere := counts["beacons from other networks"]; elsewhere > 0 && len(with.interfaces) == 0 {
		findings = append(findings, finding{warn, "addresses", fmt.Sprintf("%d beacons from addresses outside this host's networks", elsewhere),
			"the hosts share a wire but not a network: compare their addresses and netmasks with once interfaces"})
	}
	return findings
}

// checkPeers judges who is there at a time.
func checkPeers(peers []once.Peer, now time.Time) []finding {
	var names, twice, ahead []string
	for _, p := range peers {
		if slices.Contains(names, p.Name()) && !slices.Contains(twice, p.Name()) {
			twice = append(twice, p.Name())
		}
		names = append(names, p.Name())
		if started := time.Unix(0, int64(p.Incarnation())); started.Sub(now) > clockSlack {
			ahead = append(ahead, fmt.Sprintf("%s (%v)", p.Name(), started.Sub(now).Round(time.Second)))
		}
	}
	return []finding{
		judge(len(peers) > 0, "peers", fmt.Sprintf("%d: %s", len(peers), strings.Join(names, ", ")),
			warn, "nobody else is here", "run once chat --group room on another host, and once doctor there if it stays so"),
		judge(len(twice) == 0, "names", "no two peers have the same", warn, "several peers are named "+strings.Join(twice, ", "),
			"tell them apart by id, or start them with another --name"),
		judge(len(ahead) == 0, "clock", "no peer's is ahead of ours", warn, "peers have started in the future: "+strings.Join(ahead, ", "),
			"a clock is wrong, here or there: a peer whose clock is set back may be taken for its older self when it restarts; use NTP"),
	}
}
