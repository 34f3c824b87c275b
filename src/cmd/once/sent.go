package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// What has become of a message to a peer.
const (
	confirmed   = "confirmed"   // the peer has it
	refusedIt   = "refused"     // the peer does not take it, or no more
	unconfirmed = "unconfirmed" // the peer is not known to have it
)

// sentRecord is what has become of a message to a peer, as JSON.
type sentRecord struct {
	Peer   string `json:"peer"`
	Name   string `json:"name"`
	Result string `json:"result"`
	Reason string `json:"reason,omitempty"` // where it is not confirmed and the reason is known
}

// sentRecords returns what has become of a message that was sent to peers: some have refused
// it, for the reasons given, and some are those whom an error names. If it does not name all,
// the others may be among them.
func sentRecords(peers []once.Peer, refusals map[uuid.UUID]string, err error) []sentRecord {
	missed := map[uuid.UUID]string{}
	var undelivered *once.UndeliveredError
	if errors.As(err, &undelivered) {
		for _, m := range undelivered.Missed {
			missed[m.UUID] = m.Reason
		}
	} else if err != nil {
		missed[uuid.Nil] = ""
	}
	others, unsure := missed[uuid.Nil]
	records := make([]sentRecord, len(peers))
	for i, peer := range peers {
		r := &records[i]
		*r = sentRecord{Peer: peer.UUID().String(), Name: peer.Name(), Result: confirmed}
		if reason, refused := refusals[peer.UUID()]; refused {
			r.Result, r.Reason = refusedIt, reason
		} else if reason, known := missed[peer.UUID()]; known {
			r.Result, r.Reason = unconfirmed, reason
		} else if unsure {
			r.Result, r.Reason = unconfirmed, others
		}
	}
	return records
}

// reportSent says what has become of a message: to programs all, to people who has refused it.
// If all have, nobody took it, which is an error.
func reportSent(w, complaints io.Writer, asJSON bool, peers []once.Peer, refusals map[uuid.UUID]string, err error) error {
	if asJSON {
		for _, r := range sentRecords(peers, refusals, err) {
			if fault := writeJSON(w, r); fault != nil && err == nil {
				err = fault
			}
		}
	}
	var told []string
	for _, peer := range peers {
		if reason, has := refusals[peer.UUID()]; has {
			told = append(told, refused(peer, reason))
		}
	}
	if len(told) > 0 && len(told) == len(peers) {
		return fmt.Errorf("nobody took the message: %s", strings.Join(told, "; "))
	}
	for _, line := range told {
		fmt.Fprintln(complaints, "once:", line)
	}
	return err
}
