package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/sjohnr/at-once/bindings/go/once"
)

func peersCommand(with *common) *cobra.Command {
	var wait, span time.Duration
	var groups []string
	var asJSON, watching, verbose bool
	cmd := &cobra.Command{
		Use:   "peers [-v] [--wait 2s | --watch [--group GROUP]... [--for 1h]] [--json]",
		Short: "list who is on the network",
		Long: `Peers greets all who are there and lists them after a while: name, id, endpoint,
protection and groups. The exit status is 1 if nobody is there. A name may
belong to several peers, an id to one only; a terminal shows as many of its
digits as tell it from the others, and those are enough wherever an id is asked
for. Protection is plain for nothing, curve for
an encrypted connection, and sealed for content that is encrypted from end to
end. The way there is lan, direct for one across the internet, or relayed for
one through a server, while no better one is found; it is none to those whom
servers tell of and nothing was said to yet. JSON has the public keys as
well, that of CURVE after the endpoint and that of the identity, and the peer's
roles.

With -v each peer is asked to confirm what was said to it: the list has how long
that takes, how many octets wait here until the peer has acknowledged them, and,
for those beyond the LAN, the ways that were tried of late. Where a node of this
profile runs, it is what that node has said.

With --watch it goes on until interrupted: a terminal shows a table that is kept
up to date and what has changed of late; else each change is a line, as listen
has it. The table has how long each peer takes to confirm that it has what was
said to it, asked each second, and how much comes from it and goes to it: what
is said to groups comes only if they are joined, with --group. The key q ends
it, as Ctrl-C does, and so does --for.`,
		Example: `  once peers
  once peers -v
  once peers --watch
  once peers --watch --group room
  once peers --wait 5s --json | jq -r .name`,
		Args: cobra.NoArgs,
		RunE: whileRead(func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			with.brief = !watching
			start := func(log io.Writer) (*once.Node, error) { return with.start(ctx, log, groups...) }
			switch {
			case watching && span > 0:
				limited, cancel := context.WithTimeoutCause(ctx, span, errQuit)
				defer cancel()
				return watch(limited, asJSON, start)
			case watching:
				return watch(ctx, asJSON, start)
			case span > 0:
				return usage("%s goes with --watch; --wait is for a list", with.typed("for"))
			}
			node, err := start(os.Stderr)
			if err != nil {
				return err
			}
			defer node.Close()
			never := func() bool { return false }
			if err := await(ctx, node, wait, never, warnOf); !errors.Is(err, context.DeadlineExceeded) {
				return because(ctx, node, err)
			}
			peers := node.Peers()
			if len(peers) == 0 && len(node.Known()) == 0 {
				return fmt.Errorf("nobody is here: %s", advice(node))
			}
			records := peerRecords(peers, node.Known())
			if verbose {
				measurePeers(ctx, node, peers, records)
			}
			return printPeers(os.Stdout, isTerminal(os.Stdout), asJSON, verbose, records)
		}),
	}
	waitFlag(cmd.Flags(), &wait, 2*time.Second, "how long to look for peers")
	cmd.Flags().BoolVar(&watching, "watch", false, "go on and show what changes, until interrupted")
	cmd.Flags().StringArrayVar(&groups, "group", nil, "`GROUP` to join; may be repeated")
	cmd.Flags().Var(waiting{&span}, "for", "end the watch after this `TIME`")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "tell how long peers take to answer, what waits for them, and how they are reached")
	cmd.MarkFlagsMutuallyExclusive("wait", "watch")
	cmd.MarkFlagsMutuallyExclusive("verbose", "watch")
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

// peerRecord is a peer as JSON.
type peerRecord struct {
	Peer       string            `json:"peer"`
	Name       string            `json:"name"`
	Endpoint   string            `json:"endpoint"`
	Protection string            `json:"protection"`
	Way        string            `json:"way"`
	Identity   string            `json:"identity,omitempty"`
	Roles      []string          `json:"roles"`
	Groups     []string          `json:"groups"`
	Headers    map[string]string `json:"headers"`
	*measurement
}

// measurement is what is known of a peer that was asked.
type measurement struct {
	RoundTrip *float64 `json:"round_trip,omitempty"` // in milliseconds; nil without an answer in time
	Waiting   uint64   `json:"waiting_octets"`
	Tried     []string `json:"tried,omitempty"` // beyond the LAN
}

// trip returns the round trip for people.
func (m *measurement) trip() string {
	if m.RoundTrip == nil {
		return "no answer"
	}
	trip := time.Duration(*m.RoundTrip * float64(time.Millisecond))
	return trip.Round(roundTo(trip)).String()
}

// measurePeers asks peers, which come first among the records, and notes in those what it sees.
func measurePeers(ctx context.Context, node *once.Node, peers []once.Peer, records []peerRecord) {
	m := newMeter(node)
	for range (len(peers) + maxAsked - 1) / maxAsked {
		var work sync.WaitGroup
		m.measure(ctx, &work)
		work.Wait()
	}
	for i, p := range peers {
		of := m.peers[p.UUID()]
		if of == nil { // it has gone
			continue
		}
		records[i].measurement = &measurement{Waiting: of.traffic.WaitingOctets}
		if of.trip > 0 {
			milliseconds := float64(of.trip.Microseconds()) / 1000
			records[i].RoundTrip = &milliseconds
		}
		if p.Way() != once.WayLan {
			records[i].Tried = node.Tried(p.UUID())
		}
	}
}

// peerRecords returns those who are present, in their order, and then those who are known.
func peerRecords(peers []once.Peer, absent map[uuid.UUID]string) []peerRecord {
	records := make([]peerRecord, len(peers))
	for i, p := range peers {
		records[i] = peerRecord{p.UUID().String(), p.Name(), p.Endpoint(), p.Protection().String(),
			p.Way().String(), p.Identity(), p.Roles(), p.Groups(), p.Headers(), nil}
	}
	for _, id := range slices.SortedFunc(maps.Keys(absent), func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) }) {
		records = append(records, peerRecord{Peer: id.String(), Name: absent[id], Protection: once.ProtectionNone.String(),
			Way: once.WayNone.String(), Roles: []string{}, Groups: []string{}, Headers: map[string]string{}})
	}
	return records
}

func printPeers(w io.Writer, terminal, asJSON, verbose bool, records []peerRecord) error {
	if !terminal || asJSON {
		return printList(w, terminal, asJSON, "", records, func(r peerRecord) []string {
			cells := []string{r.Name, r.Peer, keyless(r.Endpoint), r.Protection, r.Way, strings.Join(r.Groups, ",")}
			if verbose {
				cells = append(cells, r.figures()...)
			}
			return cells
		})
	}
	columns, _ := terminalSize(os.Stdout)
	if err := peerTable(records, columns, verbose).print(w, columns); err != nil {
		return err
	}
	var ways strings.Builder
	for _, r := range records {
		if r.measurement != nil && len(r.Tried) > 0 {
			fmt.Fprintf(&ways, "\n%s was tried to be reached:\n", clean(cmp.Or(r.Name, r.Peer)))
			for _, line := range r.Tried {
				fmt.Fprintf(&ways, "  %s\n", clean(line))
			}
		}
	}
	_, err := io.WriteString(w, ways.String())
	return err
}

// figures returns what a record has of a peer that was asked: nothing of others.
func (r peerRecord) figures() []string {
	if r.measurement == nil {
		return []string{"", ""}
	}
	return []string{r.trip(), strconv.FormatUint(r.Waiting, 10)}
}

// peerTable returns a table of peers for a terminal of so many columns.
func peerTable(records []peerRecord, columns int, verbose bool) table {
	t := table{head: []string{"NAME", "ID", "ADDRESS", "PROTECTION", "WAY", "GROUPS"}}
	if verbose {
		t.head = append(t.head, "ROUND TRIP", "WAITING")
	}
	all := make([]known, len(records))
	for i, r := range records {
		all[i] = known{id: uuid.MustParse(r.Peer)}
	}
	for i, r := range records {
		t.rows = append(t.rows, []string{r.Name, all[i].digits(all), host(r.Endpoint), r.Protection, r.Way, strings.Join(r.Groups, ",")})
		if verbose {
			t.rows[i] = append(t.rows[i], r.figures()...)
		}
	}
	if !verbose && !slices.ContainsFunc(records, func(r peerRecord) bool { return r.Way != once.WayLan.String() }) {
		t.drop("WAY")
	}
	if columns < wideEnough {
		t.drop("ADDRESS")
	}
	return t
}

func interfacesCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "interfaces [--json]",
		Short: "list the network interfaces that a node can use",
		Long: `Interfaces lists what --interface can name: name and address; the network, and
where beacons go. That is empty where none go, as on tunnels: nodes meet there
by gossip.`,
		Example: `  once interfaces
  once chat --group room --interface 192.168.1.20`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			interfaces, err := once.Interfaces()
			if err != nil {
				return err
			}
			return printInterfaces(os.Stdout, isTerminal(os.Stdout), asJSON, interfaces)
		},
	}
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

// interfaceRecord is a network as JSON.
type interfaceRecord struct {
	Name      string `json:"name"`
	Address   string `json:"address"`
	Network   string `json:"network"`
	Broadcast string `json:"broadcast"`
	Loopback  bool   `json:"loopback"`
}

func interfaceRecords(interfaces []once.Interface) []interfaceRecord {
	records := make([]interfaceRecord, len(interfaces))
	for n, i := range interfaces {
		records[n] = interfaceRecord{i.Name(), i.Address(), i.Network(), i.Broadcast(), i.Loopback()}
	}
	return records
}

func printInterfaces(w io.Writer, terminal, asJSON bool, interfaces []once.Interface) error {
	return printList(w, terminal, asJSON, "NAME\tADDRESS\tNETWORK\tBROADCAST", interfaceRecords(interfaces), func(r interfaceRecord) []string {
		return []string{r.Name, r.Address, r.Network, r.Broadcast}
	})
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "tell the version of this program",
		Example: "  once version",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Println(version())
			return err
		},
	}
}
