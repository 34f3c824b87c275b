package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sjohnr/at-once/bindings/go/once"
	"github.com/sjohnr/at-once/bindings/go/once/files"
)

func listenCommand(with *common) *cobra.Command {
	var groups []string
	var until extent
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "listen [--group GROUP]... [--type TYPE]... [--count N] [--for 10s] [--json]",
		Short: "write what happens, an event a line, until interrupted",
		Long: `Listen joins the groups and writes each event as a line: time, type, id and name
of the peer, group, reason or message, and protection (see below), with tabs
between them; a terminal shows less of it. A bar parts the frames of a message,
and what is not printable is written as an escape sequence.

It ends when it is interrupted, when nobody reads what it writes any more, after
--count events, and after --for. If --for is over before the --count of events
that was asked for, the exit status is 1. With --type it writes and counts
events of some types only.

With --json an event is an object. It has type (enter, exit, join, leave,
whisper, shout, suspect, recover, leader, changed, network, refused,
unreachable, twin, overrun), time, peer (the id), name, endpoint and headers,
and where there is one, group, reason, and content: an array of frames. If a
frame is not text, content_encoding is "base64" and all frames are encoded so,
unless escape sequences are shorter. Of a peer that is present, protection says
what protects the message, or else what will: plain for nothing, curve for an
encrypted connection, sealed for encryption from end to end; identity is its
public key, if it has proved one.

The reason of an exit is left, expired (not heard of for long), replaced (it has
started anew), refused (it does not let us in), expelled (we do not let it in)
or network (the connection was lost and could not be made again).

Network events have no peer; their reason says what changed on this host. Nor
has overrun, which says how many messages this program has not got because it
does not read in time what the node tells that another process runs. For refused
it says who refuses whom and why; why has that in one word, and ours is there if
it is this node that refuses. For unreachable it says what to open, for twin
since when another node has been seen with this node's identity; the rest is as
it was claimed, if it is known.`,
		Example: `  once listen --group room
  once listen --group room --json | jq -r 'select(.type == "shout").content[0]'
  once listen --group room --type shout --count 1 --for 10s`,
		Args: cobra.NoArgs,
		RunE: whileRead(func(cmd *cobra.Command, _ []string) error {
			show := textPrinter(isTerminal(os.Stdout))
			if asJSON {
				show = printJSON
			}
			node, err := with.start(cmd.Context(), os.Stderr, groups...)
			if err != nil {
				return err
			}
			defer node.Close()
			return until.listen(cmd.Context(), node, os.Stdout, show)
		}),
	}
	cmd.Flags().StringArrayVar(&groups, "group", nil, "`GROUP` to join; may be repeated")
	with.contestFlag(cmd.Flags())
	until.register(cmd.Flags())
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

// extent says when to stop listening without being told to.
type extent struct {
	types eventKinds    // of the events that count and are shown; all if there are none
	count uint64        // of events; 0 for any number
	after time.Duration // 0 for never
}

func (e *extent) register(flags *pflag.FlagSet) {
	flags.Var(&e.types, "type", "write events of a `TYPE` only, such as shout; may be repeated")
	flags.Var(counting{&e.count}, "count", "end after `N` events")
	flags.Var(waiting{&e.after}, "for", "end after this `TIME`")
}

// eventKinds is a flag for types of events.
type eventKinds []string

func (t *eventKinds) String() string { return strings.Join(*t, ",") }
func (t *eventKinds) Type() string   { return "stringArray" }

func (t *eventKinds) Set(text string) error {
	if !slices.Contains(eventTypes, text) {
		return errors.New("choose one of " + strings.Join(eventTypes, ", "))
	}
	*t = append(*t, text)
	return nil
}

// has tells whether an event is of one of the types.
func (t eventKinds) has(event once.Event) bool {
	var r record
	if len(t) > 0 {
		r.fill(event)
	}
	return len(t) == 0 || slices.Contains(t, r.Type)
}

// errEnough ends listening when all events that were asked for are shown.
var errEnough = errors.New("all events that were asked for are shown")

// listen listens until the end. It fails if that comes before as many events as were asked
// for.
func (e *extent) listen(ctx context.Context, node *once.Node, w io.Writer, show func(io.Writer, once.Event) error) error {
	if e.after > 0 {
		limited, cancel := context.WithTimeout(ctx, e.after)
		defer cancel()
		ctx = limited
	}
	shown := uint64(0)
	err := listen(ctx, node, w, func(w io.Writer, event once.Event) error {
		if !e.types.has(event) {
			return nil
		}
		err := show(w, event)
		if shown++; err == nil && shown == e.count {
			err = errEnough
		}
		return err
	})
	switch {
	case err != nil || shown >= e.count:
		return err
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%d of %d events in %v", shown, e.count, e.after)
	}
	return context.Cause(ctx)
}

// listen shows events until ctx ends or show has enough, which are no errors, or w takes
// no more.
func listen(ctx context.Context, node *once.Node, w io.Writer, show func(io.Writer, once.Event) error) error {
	buffer := bufio.NewWriter(w)
	for {
		batch, err := node.NextBatch(ctx)
		if err != nil {
			switch {
			case ctx.Err() != nil:
				return nil
			case errors.Is(err, once.ErrStopped) && node.Holder() == "":
				return nil
			}
			return because(ctx, node, err)
		}
		for i := range batch.Len() {
			if files.Is(batch.At(i)) { // for once receive, if it shares the node
				continue
			}
			switch err := show(buffer, batch.At(i)); {
			case errors.Is(err, errEnough):
				return buffer.Flush()
			case err != nil:
				return err
			}
		}
		if err := buffer.Flush(); err != nil {
			return err
		}
	}
}

// newRecord returns what an event says, but for its content as JSON.
func newRecord(event once.Event) record {
	origin := event.About()
	r := record{
		Time:       origin.Time.UTC().Format(jsonTime),
		Peer:       origin.Peer.UUID().String(),
		Name:       origin.Peer.Name(),
		Endpoint:   origin.Peer.Endpoint(),
		Headers:    origin.Peer.Headers(),
		Protection: origin.Peer.Protection().String(),
		Way:        origin.Peer.Way().String(),
		Identity:   origin.Peer.Identity(),
	}
	r.fill(event)
	return r
}

func printJSON(w io.Writer, event once.Event) error {
	r := newRecord(event)
	r.Content, r.ContentEncoding = encode(r.Msg)
	return writeJSON(w, r)
}

// encode returns frames as text if they all are, else in base64, unless that is longer.
func encode(frames [][]byte) (content []string, encoding string) {
	if !texts(frames) {
		encoding = "base64"
	}
	for _, frame := range frames {
		if encoding == "" {
			content = append(content, string(frame))
		} else {
			content = append(content, base64.StdEncoding.EncodeToString(frame))
		}
	}
	return content, encoding
}

// texts tells whether frames are best shown as text: all are UTF-8, and either nothing in
// them has to be escaped but white space, or base64 is no shorter.
func texts(frames [][]byte) bool {
	odd := func(r rune) bool { return !safe(r) && !unicode.IsSpace(r) }
	plain := true
	for _, frame := range frames {
		if !utf8.Valid(frame) {
			return false
		}
		plain = plain && !bytes.ContainsFunc(frame, odd)
	}
	if plain {
		return true
	}
	escaped, encoded := 0, 0
	for _, frame := range frames {
		for _, r := range string(frame) {
			escaped += escapedSize(r)
		}
		encoded += base64.StdEncoding.EncodedLen(len(frame))
	}
	return escaped <= encoded
}

// escapedSize returns how many octets a character takes in what writeJSON writes.
func escapedSize(r rune) int {
	switch {
	case r == '"', r == '\\', '\b' <= r && r <= '\r' && r != '\v':
		return len(`\n`)
	case safe(r), r > 0xffff:
		return utf8.RuneLen(r)
	}
	return len(`\u0000`)
}

// textPrinter returns what prints an event as a line for people, or for programs
// that split it at its tabs.
func textPrinter(terminal bool) func(io.Writer, once.Event) error {
	return func(w io.Writer, event once.Event) (err error) {
		r := newRecord(event)
		if terminal {
			_, err = fmt.Fprintf(w, "%s  %-8s  %s  %-6s  %s  %s\n", event.About().Time.Format(time.TimeOnly),
				r.Type, padded(cmp.Or(r.Name, host(r.Endpoint)), 16), r.Protection, padded(r.Group, 12),
				clean(r.Reason)+content(r.Msg, textLimit))
		} else {
			_, err = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Time,
				r.Type, r.Peer, clean(r.Name), clean(r.Group), clean(r.Reason)+content(r.Msg, 0), r.Protection)
		}
		return err
	}
}
