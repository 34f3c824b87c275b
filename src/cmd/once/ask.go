package main

import (
	"bytes"
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

func askCommand(with *common) *cobra.Command {
	var wait, timeout time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ask [--wait 5s] [--timeout 30s] [--json] NAME-or-UUID TEXT...|-",
		Short: "ask a peer something and print the answer",
		Long: `Ask waits until the peer is there, asks it, and prints the answer, octet by
octet; it is cleaned for a terminal. Who answers is a program of the peer that
expects questions, such as once answer. TEXT and - are as in shout.

The exit status is 1 if there is no answer within --timeout, or the peer is gone
before: then it says whether the peer has the question. It is 1, too, if the
peer answers with an error. Plain ZRE nodes cannot be asked.

With --json the outcome is an object, with peer (the id), name, result, and with
an answer status and content, as in listen. The result is answered; declined, if
the status is not 0; unanswered, if the peer has the question; or undelivered,
if that is not known.`,
		Example: `  once ask ben what time is it
  once ask ben - < query.json | jq .
  once ask --timeout 2s --json ben uptime | jq -r .result`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkName("peer", args[0]); err != nil {
				return err
			}
			return ask(cmd.Context(), with, args, wait, timeout, asJSON)
		},
	}
	waitFlag(cmd.Flags(), &wait, defaultWait, "how long to wait for the peer to be there")
	timeFlag(cmd.Flags(), &timeout, "timeout", defaultTimeout, "how long to wait for the answer")
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

// ask asks a peer what the command line or standard input says.
func ask(ctx context.Context, with *common, args []string, wait, timeout time.Duration, asJSON bool) error {
	question, err := read(ctx, args[1:])
	if err != nil {
		return err
	}
	with.brief = true
	node, err := with.start(ctx, os.Stderr)
	if err != nil {
		return err
	}
	defer node.Close()
	to := someone(node, args[0])
	if err := to.await(ctx, wait, warnOf); err != nil {
		return because(ctx, node, err)
	}
	peer, err := only(node, args[0], to.peers())
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := node.Ask(limited, peer.UUID(), question)
	return reportAnswer(os.Stdout, asJSON, timeout, peer, answer, because(ctx, node, err))
}

// answerRecord is what has come of a question, as JSON.
type answerRecord struct {
	Peer            string   `json:"peer"`
	Name            string   `json:"name"`
	Result          string   `json:"result"`
	Status          *uint32  `json:"status,omitempty"` // of an answer
	Content         []string `json:"content,omitempty"`
	ContentEncoding string   `json:"content_encoding,omitempty"`
}

// reportAnswer says what has come of a question. An error that says not even whether the peer
// has it is of who asks: there is no outcome.
func reportAnswer(w io.Writer, asJSON bool, timeout time.Duration, peer once.Peer, answer [][]byte, err error) error {
	r := answerRecord{Peer: peer.UUID().String(), Name: peer.Name(), Result: "answered"}
	var declined *once.AnswerError
	within := ""
	if errors.Is(err, context.DeadlineExceeded) {
		within = fmt.Sprintf(" within %v", timeout)
	}
	switch {
	case err == nil:
		r.Status = new(uint32)
	case errors.As(err, &declined):
		r.Result, r.Status, answer = "declined", &declined.Status, declined.Content
		err = fmt.Errorf("%s answers with status %d: %s", nameOf(peer), declined.Status, cut(string(slices.Concat(answer...)), textLimit))
	case errors.Is(err, once.ErrNoAnswer):
		r.Result = "unanswered"
		err = toldError{err, fmt.Sprintf("%s has the question, and has not answered it%s", nameOf(peer), within)}
	case errors.Is(err, once.ErrUndelivered):
		r.Result = "undelivered"
		err = toldError{err, fmt.Sprintf("%s is not known to have the question%s", nameOf(peer), within)}
	default:
		return err
	}
	if asJSON {
		r.Content, r.ContentEncoding = encode(answer)
		return errors.Join(err, writeJSON(w, r))
	}
	if err != nil {
		return err
	}
	return printAnswer(w, slices.Concat(answer...))
}

// printAnswer writes an answer as it is, but for what a terminal would obey.
func printAnswer(w io.Writer, answer []byte) error {
	if isTerminal(os.Stdout) {
		var b bytes.Buffer
		for line := range strings.Lines(string(answer)) {
			fmt.Fprintln(&b, clean(strings.TrimRight(line, "\r\n")))
		}
		answer = b.Bytes()
	}
	_, err := w.Write(answer)
	return err
}
