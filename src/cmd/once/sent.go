package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// What has become of a message to a peer.
const (
	confirmed   = "confirmed"   // the peer has it
	refusedIt   = "refused"     // the peer does not take it, or no more
	unconfirmed = "unconfirmed" // the peer is not known to have it
	queued      = "queued"      // the node has it, and nobody waits for the peer to have it
)

// sentRecord is what has become of a message to a peer, as JSON.
type sentRecord struct {
	Peer   string `json:"peer"`
	Name   string `json:"name"`
	Result string `json:"result"`
	Reason string `json:"reason,omitempty"` // where it is not confirmed and the reason is known
}

// sent is what is known of a message to peers.
type sent struct {
	peers    []once.Peer
	refusals map[uuid.UUID]string // why some have refused it
	timeout  time.Duration        // within which they were to confirm it
	err      error                // names some of those who have not got it; if not all, the others may be among them
}

// records returns what has become of it, peer by peer.
func (s sent) records() []sentRecord {
	missed := map[uuid.UUID]string{}
	var undelivered *once.UndeliveredError
	if errors.As(s.err, &undelivered) {
		for _, m := range undelivered.Missed {
			missed[m.UUID] = m.Reason
		}
	} else if s.err != nil {
		missed[uuid.Nil] = ""
	}
	others, unsure := missed[uuid.Nil]
	records := make([]sentRecord, len(s.peers))
	for i, peer := range s.peers {
		r := &records[i]
		*r = sentRecord{Peer: peer.UUID().String(), Name: peer.Name(), Result: confirmed}
		if reason, refused := s.refusals[peer.UUID()]; refused {
			r.Result, r.Reason = refusedIt, reason
		} else if reason, known := missed[peer.UUID()]; known {
			r.Result, r.Reason = unconfirmed, reason
		} else if unsure {
			r.Result, r.Reason = unconfirmed, others
		}
	}
	return records
}

// report says what has become of it: to programs all, to people how many have it, and who has
// not, which is an error unless some have refused it and the others have it.
func (s sent) report(w, complaints io.Writer, asJSON bool) error {
	records := s.records()
	if asJSON {
		if err := writeRecords(w, records); err != nil {
			return err
		}
	}
	var have, lack, told []string
	all := knownPeers(s.peers)
	for i, r := range records {
		label := all[i].label(all)
		switch r.Result {
		case confirmed:
			have = append(have, label)
		case refusedIt:
			told = append(told, refused(s.peers[i], r.Reason))
		case unconfirmed:
			if r.Reason != "" {
				label += " (" + clean(r.Reason) + ")"
			}
			lack = append(lack, label)
		}
	}
	if len(told) > 0 && len(told) == len(records) {
		return fmt.Errorf("nobody took the message: %s", strings.Join(told, "; "))
	}
	for _, line := range told {
		fmt.Fprintln(complaints, "once:", line)
	}
	switch {
	case errors.Is(s.err, once.ErrUndelivered) && len(lack) > 0:
		text := tally(have, len(records))
		if errors.Is(s.err, context.DeadlineExceeded) {
			text = fmt.Sprintf("within %v %s", s.timeout, text)
		}
		return toldError{s.err, fmt.Sprintf("%s; not known to have it: %s", text, some(lack))}
	case s.err == nil && !asJSON:
		_, err := fmt.Fprintln(w, tally(have, len(records)))
		return err
	}
	return s.err
}

// reportQueued says for whom the node has it.
func (s sent) reportQueued(w io.Writer, asJSON bool) error {
	if !asJSON {
		_, err := fmt.Fprintf(w, "queued for %d, and not waited for\n", len(s.peers))
		return err
	}
	records := s.records()
	for i := range records {
		records[i].Result = queued
	}
	return writeRecords(w, records)
}

func writeRecords(w io.Writer, records []sentRecord) error {
	for _, r := range records {
		if err := writeJSON(w, r); err != nil {
			return err
		}
	}
	return nil
}

// tally says how many of so many have a message, and who.
func tally(have []string, of int) string {
	which, verb := "", "have"
	if len(have) < of {
		which = fmt.Sprintf(" of %d", of)
	}
	switch len(have) {
	case 0:
		return "none" + which + " has it"
	case 1:
		verb = "has"
	}
	return fmt.Sprintf("%d%s %s it: %s", len(have), which, verb, some(have))
}

// some returns the first of a list, and how many others there are.
func some(list []string) string {
	if len(list) > shownNames {
		list = append(slices.Clone(list[:shownNames]), fmt.Sprintf("and %d more", len(list)-shownNames))
	}
	return strings.Join(list, ", ")
}
