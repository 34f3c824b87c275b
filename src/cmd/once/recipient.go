package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// hint is what to do when nobody is found.
const hint = "are all on the same --interface and --port, with the same --security? is --wait long enough? see once doctor"

// advice is that, and if none of the node's servers answers, why not.
func advice(node *once.Node) string {
	var away []string
	servers := node.Servers()
	for _, address := range slices.Sorted(maps.Keys(servers)) {
		if trouble := servers[address]; trouble != "" {
			away = append(away, hostsOf(address)+": "+clean(trouble))
		}
	}
	if len(away) == 0 || len(away) < len(servers) {
		return hint
	}
	return "no server is of use now (" + strings.Join(away, "; ") + "); " + hint
}

// recipient is whom a message is for.
type recipient struct {
	node  *once.Node
	title string             // for errors
	peers func() []once.Peer // those who are present
	send  func(ctx context.Context, message []byte) error
	meet  func(ctx context.Context) // has those be present whom servers tell of
}

// members returns those who are in a group.
func members(node *once.Node, group string) recipient {
	return recipient{node, fmt.Sprintf("group %q", group),
		func() []once.Peer { return node.Members(group) },
		func(ctx context.Context, message []byte) error {
			before := node.Members(group)
			receivers, err := node.Shout(ctx, group, message)
			if err == nil && receivers == 0 {
				return fmt.Errorf("%s: nothing was sent", unsaid(group, before, node.Members(group)))
			}
			return err
		},
		func(context.Context) {
			_ = node.Join(group) // to be connected to them; if that fails, nobody is there
		}}
}

// unsaid is why a shout went to none of those who were in a group before: who was suspect and
// had no room for it is gone now.
func unsaid(group string, before, now []once.Peer) string {
	switch {
	case len(before) == 0:
		return fmt.Sprintf("nobody is in group %q", group)
	case len(now) < len(before), slices.ContainsFunc(now, once.Peer.Suspect):
		return fmt.Sprintf("nobody in group %q answers, or has room for more", group)
	}
	return fmt.Sprintf("nobody in group %q opens what is sealed, and nothing else is said there", group)
}

// someone returns the one peer that goes by a name, a label or an id.
func someone(node *once.Node, who string) recipient {
	peers := func() (found []once.Peer) {
		all := node.Peers()
		named := resolve(who, knownPeers(all))
		for _, peer := range all {
			if slices.Contains(named, knownPeer(peer)) {
				found = append(found, peer)
			}
		}
		return found
	}
	title := fmt.Sprintf("peer %q", who)
	if isItself(node, who) {
		title += " other than this node itself"
	}
	return recipient{node, title, peers, func(ctx context.Context, message []byte) error {
		peer, err := only(node, who, peers())
		if err != nil {
			return err
		}
		return node.Whisper(ctx, peer.UUID(), message)
	}, func(ctx context.Context) {
		var all []known
		for id, name := range node.Known() {
			all = append(all, known{name: name, id: id})
		}
		if found := resolve(who, all); len(found) == 1 {
			_, _ = node.Ping(ctx, found[0].id) // if it is not reached, it is not there
		}
	}}
}

// only returns the one peer that goes by something.
func only(node *once.Node, who string, found []once.Peer) (peer once.Peer, err error) {
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return peer, fmt.Errorf("%w: nothing was sent", ambiguous(who, knownPeers(found)))
	case isItself(node, who):
		return peer, fmt.Errorf("%q is this node itself: nothing was sent", who)
	}
	return peer, fmt.Errorf("%q is not here: nothing was sent", who)
}

// isItself tells whether a node itself goes by that.
func isItself(node *once.Node, who string) bool {
	return len(resolve(who, []known{{name: node.Name(), id: node.UUID()}})) > 0
}

func (r recipient) present() bool { return len(r.peers()) > 0 }

// await shows events until the recipient is present, or fails.
func (r recipient) await(ctx context.Context, wait time.Duration, show func(once.Event) error) error {
	err := r.look(ctx, wait, show)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: nobody there within %v, of %d peers seen: %s", r.title, wait, len(r.node.Peers()), advice(r.node))
	}
	return err
}

// look is await for who has no servers, or has others be present whom they tell of.
func (r recipient) look(ctx context.Context, wait time.Duration, show func(once.Event) error) error {
	until := time.Now().Add(wait)
	within, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	for len(r.node.Servers()) > 0 && !r.present() && within.Err() == nil {
		if err := await(ctx, r.node, glance, r.present, show); !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return err
		}
		r.meet(within)
	}
	return await(ctx, r.node, max(time.Until(until), glance), r.present, show)
}

// twin tells of another node with the identity of this one.
func twin(e *once.Twin) string {
	return fmt.Sprintf("at %s %s", cut(keyless(e.Peer.Endpoint()), cellWidth), clean(e.Text))
}

// toldAgo says how long ago a node has told something that it keeps for who comes later, who
// cannot know otherwise whether it is still so; nothing if it is just now.
func toldAgo(e once.Event) string {
	ago := time.Since(e.About().Time)
	if ago < 10*time.Second {
		return ""
	}
	return fmt.Sprintf(" (told %v ago)", ago.Round(time.Second))
}

// refused tells of a node that does not talk with this one, as far as it is known, and
// who refuses whom.
func refused(peer once.Peer, text string) string {
	who := cmp.Or(cut(peer.Name(), cellWidth), "somebody")
	if id := peer.UUID(); id != uuid.Nil {
		who += " (" + id.String()[:8] + ")"
	}
	return fmt.Sprintf("%s at %s: %s", who, cut(keyless(peer.Endpoint()), cellWidth), clean(text))
}
