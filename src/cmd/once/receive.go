package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/sjohnr/at-once/bindings/go/once"
	"github.com/sjohnr/at-once/bindings/go/once/files"
)

// mostTransfers is how many transfers receive runs at once.
const mostTransfers = 16

// receiving is what receive was asked for.
type receiving struct {
	into      string
	from      []string
	yes       bool
	keep      bool
	overwrite bool
	max       octetCount
	retry     time.Duration
}

func receiveCommand(with *common) *cobra.Command {
	var want receiving
	var groups []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "receive [--into DIR] [--from NAME]... [--yes] [--keep] [--json]",
		Short: "receive files and folders that peers send",
		Long: `Receive waits until somebody offers files by once send, asks on the terminal
whether to take them, and exits when they are on the disk, verified. Without a
terminal say whose files to take by --from, or --yes for anybody's. Names are
not unique, ids are: in a network of strangers, give an id to --from.

No file is replaced unless --overwrite is given, and nothing is written outside
of DIR, whatever links are in it. A file that has not arrived whole has a name
that ends in .once-partial; when it is sent again, by whomever, receive goes on
from there. If the sender is gone in the middle, receive waits until it is back.

Receive is in the groups that --group names, to whose members once send --group
sends. With --keep it goes on until interrupted, and takes several transfers at
a time. JSON is as in send.`,
		Example: `  once receive
  once receive --from ana --into ~/Downloads --max 2G
  once receive --keep --yes --group team --json`,
		Args:        cobra.NoArgs,
		Annotations: map[string]string{readsInput: "yes from"},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !want.yes && len(want.from) == 0 && !isTerminal(os.Stdin) {
				return usage("without a terminal to ask on, say whose files to take: --from NAME, or --yes for anybody's")
			}
			for _, name := range want.from {
				if err := checkName(with.typed("from"), name); err != nil {
					return err
				}
			}
			with.header = append(with.header, files.Header+"=receive")
			return with.transfer(cmd.Context(), asJSON, groups, func(t *transfers) error {
				if holder := t.node.Holder(); holder != "" {
					t.report.warn("unless process %s receives files too, others are not told that they are taken here: once send --group passes this node by; once send to its name does not", clean(holder))
				}
				return t.receive(cmd.Context(), want)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&want.into, "into", ".", "`DIR` to put the files into, which is made if it is missing")
	flags.StringArrayVar(&want.from, "from", nil, "`NAME-or-UUID` whose files to take without asking, and nobody else's; may be repeated")
	flags.BoolVar(&want.yes, "yes", false, "take anybody's files without asking")
	flags.BoolVar(&want.keep, "keep", false, "go on until interrupted")
	flags.BoolVar(&want.overwrite, "overwrite", false, "replace files of the same names")
	flags.Var(&want.max, "max", "most `OCTETS` of a transfer, such as 500M or 2G; refuse more")
	flags.StringArrayVar(&groups, "group", nil, "`GROUP` to be in; may be repeated")
	cmd.MarkFlagsMutuallyExclusive("from", "yes")
	must(cmd.MarkFlagDirname("into"))
	retryFlag(flags, &want.retry)
	jsonFlag(flags, &asJSON)
	return cmd
}

// receive takes one transfer, or all until ctx ends.
func (t *transfers) receive(ctx context.Context, want receiving) error {
	if want.keep {
		return t.receiveAll(ctx, want)
	}
	waiting, lost := ctx, error(nil)
	for {
		offer, peer, err := t.accept(waiting, want)
		if lost != nil && err != nil && ctx.Err() == nil {
			return lost // nobody has come back
		} else if err != nil {
			return err
		}
		if err := t.take(ctx, offer, peer, want); !comesBack(err) {
			return err
		} else if lost = err; lost != nil {
			t.report.warn("%s", clean(lost.Error()))
		}
		var cancel context.CancelFunc
		waiting, cancel = context.WithTimeout(ctx, want.retry)
		defer cancel()
	}
}

// receiveAll takes several transfers at once, until ctx ends.
func (t *transfers) receiveAll(ctx context.Context, want receiving) error {
	var work sync.WaitGroup
	defer work.Wait()
	places := make(chan struct{}, mostTransfers)
	for {
		offer, peer, err := t.accept(ctx, want)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		select {
		case places <- struct{}{}:
		default:
			t.refuse(ctx, offer, peer, "too many transfers at once: try again later")
			continue
		}
		work.Go(func() {
			defer func() { <-places }()
			if err := t.take(ctx, offer, peer, want); err != nil {
				t.report.warn("%s", clean(err.Error()))
			}
		})
	}
}

// take has files come.
func (t *transfers) take(ctx context.Context, offer *files.Transfer, peer once.Peer, want receiving) error {
	err := t.report.during(&running{Transfer: offer, peer: peer}, func() error { return offer.Receive(ctx, want.into, want.overwrite) })
	if err != nil {
		return fmt.Errorf("not got %s from %s: %w", cut(offer.Title(), cellWidth), nameOf(peer), err)
	}
	return nil
}

// accept waits for an offer that is wanted, and refuses all others.
func (t *transfers) accept(ctx context.Context, want receiving) (*files.Transfer, once.Peer, error) {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.lives, cancel)()
	for {
		offer, err := t.NextOffer(waiting)
		if err != nil && ctx.Err() == nil {
			err = because(ctx, t.node, once.ErrStopped)
		}
		if err != nil {
			return nil, once.Peer{}, err
		}
		peer, err := t.node.Peer(offer.Peer())
		if err != nil { // it is gone
			continue
		}
		reason := want.objection(peer, offer, t.node.Peers())
		if reason == "" && !want.yes && len(want.from) == 0 {
			reason, err = t.ask(ctx, peer, offer)
		}
		if err != nil || reason == "" {
			return offer, peer, err
		}
		t.refuse(ctx, offer, peer, reason)
	}
}

// objection returns why an offer is not taken, or nothing.
// A name may be that of several peers; a label or the first digits of an id are taken for one
// only.
func (want receiving) objection(peer once.Peer, offer *files.Transfer, present []once.Peer) string {
	isFrom := func(who string) bool {
		found := resolve(who, knownPeers(present))
		return slices.Contains(found, knownPeer(peer)) && (len(found) == 1 || who == peer.Name())
	}
	switch {
	case len(want.from) > 0 && !slices.ContainsFunc(want.from, isFrom):
		return "takes files from others only"
	case want.max > 0 && offer.Octets() > uint64(want.max):
		return fmt.Sprintf("takes %d octets at most, not %d", want.max, offer.Octets())
	}
	return ""
}

func (t *transfers) refuse(ctx context.Context, offer *files.Transfer, peer once.Peer, reason string) {
	if err := offer.Refuse(ctx, reason); err != nil {
		reason += " (not told: " + err.Error() + ")"
	}
	t.report.warn("refused %s from %s: %s", cut(offer.Title(), cellWidth), nameOf(peer), clean(reason))
}

// ask asks on the terminal whether to take an offer.
func (t *transfers) ask(ctx context.Context, peer once.Peer, offer *files.Transfer) (reason string, err error) {
	if t.lines == nil {
		t.lines = make(chan string)
		go t.readLines() // nothing can interrupt a read that hangs: it ends with the process
	}
	if !t.forget() {
		return "", errUnasked
	}
	t.report.warn("%s (%s) offers %s, %s: take it? [y/N]", nameOf(peer), peer.UUID(), cut(offer.Title(), cellWidth), amount(offer))
	select {
	case line, ok := <-t.lines:
		if !ok {
			return "", errUnasked
		}
		if strings.HasPrefix(strings.ToLower(strings.TrimSpace(line)), "y") {
			return "", nil
		}
		return "the user says no", nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// errUnasked is why an offer is neither taken nor refused.
var errUnasked = errors.New("nobody answers: the terminal was closed")

// ahead is how long it must be quiet for what was typed before to be read.
const ahead = 50 * time.Millisecond

// forget drops the lines that were typed before a question: they answer another. It returns
// false if there are no more.
func (t *transfers) forget() bool {
	for {
		select {
		case _, ok := <-t.lines:
			if !ok {
				return false
			}
		case <-time.After(ahead):
			return true
		}
	}
}

func (t *transfers) readLines() {
	defer close(t.lines)
	for next := pipeLines(os.Stdin); ; {
		line, err := next()
		if err != nil {
			return
		}
		t.lines <- line
	}
}

// octetCount is a flag for octets, of which people count thousands by letters.
type octetCount uint64

func (o *octetCount) String() string { return strconv.FormatUint(uint64(*o), 10) }
func (o *octetCount) Type() string   { return "octets" }

func (o *octetCount) Set(text string) error {
	digits := strings.TrimRight(strings.ToUpper(text), "KMGT")
	factor, known := map[string]uint64{"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[strings.ToUpper(text[len(digits):])]
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || !known || n == 0 || n > math.MaxInt64/factor {
		return errors.New("give octets, such as 1000000, 500M or 2G")
	}
	*o = octetCount(n * factor)
	return nil
}
