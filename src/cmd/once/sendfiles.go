package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/sjohnr/at-once/bindings/go/once"
	"github.com/sjohnr/at-once/bindings/go/once/files"
)

func sendCommand(with *common) *cobra.Command {
	var group string
	var wait, retry time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "send NAME-or-UUID|--group GROUP [--wait 5s] [--json] FILE...",
		Short: "send files and folders to a peer, or to all in a group",
		Long: `Send offers files, and folders with all that is in them, to a peer that runs
once receive, and exits when the peer has them on its disk, verified. With
--group it does so to all members who take files when it begins.

If the peer is gone in the middle, send waits for it to come back, by its id or
its name, and goes on from what has arrived. The same holds if send is run
again. Links and special files in folders are left out.

The exit status is 1 if somebody has not got all. With --json each second of a
transfer is an object, and its end: type (progress, done, failed), peer, name,
title, files, octets, octets_done, octets_per_second, seconds_left, error.`,
		Example: `  once send ben report.pdf photos
  once send --group team --wait 30s slides.pdf`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			to := func(node *once.Node) recipient { return someone(node, args[0]) }
			paths, what, name := args[1:], "peer", args[0]
			if with.given("group") {
				to = func(node *once.Node) recipient { return members(node, group) }
				paths, what, name = args, with.typed("group"), group
			} else if len(paths) == 0 {
				return usage("%q given; say to whom and what: %s", args[0], cmd.UseLine())
			}
			if err := checkName(what, name); err != nil {
				return err
			}
			for _, path := range paths {
				if _, err := os.Stat(path); err != nil {
					return usageError{err}
				}
			}
			return with.transfer(cmd.Context(), asJSON, nil, func(t *transfers) error {
				return t.send(cmd.Context(), to(t.node), with.given("group"), paths, wait, retry)
			})
		},
	}
	cmd.Flags().StringVar(&group, "group", "", "`GROUP` whose members to send to")
	waitFlag(cmd.Flags(), &wait, defaultWait, "how long to wait for somebody to be there")
	retryFlag(cmd.Flags(), &retry)
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

// send sends files to a recipient: to all of it, or to the only one.
func (t *transfers) send(ctx context.Context, to recipient, toAll bool, paths []string, wait, retry time.Duration) error {
	receiving := func() []once.Peer { // or else, whoever is meant
		says := func(p once.Peer) bool { return p.Header(files.Header) != "" }
		if all := to.peers(); !slices.ContainsFunc(all, says) {
			return all
		}
		return slices.DeleteFunc(to.peers(), func(p once.Peer) bool { return !says(p) })
	}
	// Who shares a node that another program runs cannot say that it takes files: one who is
	// named is asked all the same. In a group somebody may yet come who says it.
	err := t.until(ctx, wait, func() bool {
		found := receiving()
		return len(found) > 0 && (!toAll || found[0].Header(files.Header) != "")
	})
	found := receiving()
	if len(found) > 0 && found[0].Header(files.Header) == "" && (err == nil || errors.Is(err, context.DeadlineExceeded)) {
		err = nil
		t.report.warn("%s: nobody there says that it takes files; asking all the same: once receive has to run there", to.title)
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: nobody there within %v, of %d peers seen: %s", to.title, wait, len(t.node.Peers()), advice(t.node))
	case err != nil:
		return err
	}
	if len(found) > 1 && !toAll {
		ids := make([]string, len(found))
		for i, peer := range found {
			ids[i] = peer.UUID().String()
		}
		return fmt.Errorf("%d peers of that name take files: say which by its id: %s", len(found), strings.Join(ids, ", "))
	}
	var sending sync.WaitGroup
	errs := make([]error, len(found))
	for i, peer := range found {
		sending.Go(func() { errs[i] = t.deliver(ctx, peer, paths, retry, receiving) })
	}
	sending.Wait()
	var failed error
	for _, err := range errs {
		if failed != nil && err != nil {
			err = fmt.Errorf("%w; %w", failed, err)
		}
		failed = cmp.Or(err, failed)
	}
	return failed
}

// deliver sends files to a peer, again when it has come back.
func (t *transfers) deliver(ctx context.Context, peer once.Peer, paths []string, retry time.Duration, receiving func() []once.Peer) error {
	for {
		offer := t.Offer(peer.UUID())
		for _, path := range paths {
			if err := offer.Add(path); err != nil {
				return err
			}
		}
		for _, path := range offer.LeftOut() {
			t.report.warn("%s is left out: it is no file or folder", clean(path))
		}
		err := t.report.during(&running{Transfer: offer, peer: peer, sends: true}, func() error { return offer.Send(ctx) })
		if err == nil {
			return nil
		}
		err = fmt.Errorf("%s has not got %s: %w", nameOf(peer), cut(offer.Title(), cellWidth), err)
		if !comesBack(err) || ctx.Err() != nil {
			return err
		}
		t.report.warn("%s", clean(err.Error()))
		back := func() bool { return backAs(&peer, receiving()) }
		if t.until(ctx, retry, back) != nil {
			return err
		}
	}
}

// backAs tells whether a peer is present, by its id or else by its name, and then as whom.
func backAs(peer *once.Peer, present []once.Peer) bool {
	for _, other := range present {
		if other.UUID() == peer.UUID() {
			*peer = other
			return true
		}
	}
	for _, other := range present {
		if other.Name() == peer.Name() {
			*peer = other
			return true
		}
	}
	return false
}
