package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// TestSendJSON has programs told what has become of a message, peer by peer.
func TestSendJSON(t *testing.T) {
	n := newNetwork(t)
	a := n.start("listen", "--group", "room", "--name", "ana")
	b := n.start("listen", "--group", "room", "--name", "ben")
	a.sees(`\tjoin\t\S+\tben`)
	b.sees(`\tjoin\t\S+\tana`)
	sent := func(status int, args ...string) (records []sentRecord) {
		t.Helper()
		p := n.start(args...)
		p.exits(status)
		for _, line := range p.seen {
			var r sentRecord
			if err := json.Unmarshal([]byte(line), &r); err != nil || len(r.Peer) != 36 {
				t.Fatalf("%s: %v", line, err)
			}
			records = append(records, r)
		}
		slices.SortFunc(records, func(a, b sentRecord) int { return strings.Compare(a.Name, b.Name) })
		return records
	}
	if got := sent(0, "shout", "--group", "room", "--json", "hi"); len(got) != 2 || got[0].Name != "ana" || got[0].Result != confirmed ||
		got[1].Name != "ben" || got[1].Result != confirmed || got[0].Reason != "" {
		t.Errorf("the shout: %+v", got)
	}
	if got := sent(0, "whisper", "ben", "--json", "hi"); len(got) != 1 || got[0].Name != "ben" || got[0].Result != confirmed {
		t.Errorf("the whisper: %+v", got)
	}
	if got := sent(1, "whisper", "cleo", "--wait", "10ms", "--json", "hi"); len(got) > 0 {
		t.Errorf("the whisper to nobody: %+v", got)
	}
	c := n.start("listen", "--group", "room", "--name", "cleo", "--sealed", "room")
	a.sees(`\tjoin\t\S+\tcleo`)
	got := sent(0, "shout", "--group", "room", "--security", "plain", "--json", "hi")
	if len(got) != 3 || got[1].Result != confirmed || got[2].Name != "cleo" || got[2].Result != refusedIt || !strings.Contains(got[2].Reason, "sealed") {
		t.Errorf("the shout of which one takes only what is sealed: %+v", got)
	}
	if got := sent(1, "whisper", "--security", "plain", "--json", "dora", "--wait", "10ms", "hi"); len(got) > 0 {
		t.Errorf("the whisper to nobody: %+v", got)
	}
	for _, p := range []*process{a, b, c} {
		p.interrupt()
		p.exits(0)
	}
}

// TestSentToWhoIsGone has a peer that is not known to have a message.
func TestSentToWhoIsGone(t *testing.T) {
	n := newNetwork(t)
	node, err := once.Start(t.Context(), once.Config{Interfaces: []string{"127.0.0.1"}, BeaconPort: n.port})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	p := n.start("listen", "--name", "ana")
	p.sees(`\tenter\t`)
	if _, err := node.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	peers := node.Peers()
	missed := &once.UndeliveredError{Missed: []once.Missed{{UUID: peers[0].UUID(), Messages: 1, Reason: "left"}}}
	var out, complaints bytes.Buffer
	gone := sent{peers: peers, err: missed}
	if err := gone.report(&out, &complaints, true); !errors.Is(err, missed) || complaints.Len() > 0 ||
		err.Error() != "none of 1 has it; not known to have it: ana (left)" {
		t.Errorf("%v, %s", err, complaints.String())
	}
	if want := `{"peer":"` + peers[0].UUID().String() + `","name":"ana","result":"unconfirmed","reason":"left"}` + "\n"; out.String() != want {
		t.Errorf("wrote %s, want %s", out.String(), want)
	}
	for _, err := range []error{
		&once.UndeliveredError{Missed: []once.Missed{{Messages: 1, Reason: "the process that ran the node has ended"}}}, // to somebody
		once.ErrStopped,
	} {
		if r := (sent{peers: peers, err: err}).records(); len(r) != 1 || r[0].Result != unconfirmed {
			t.Errorf("after %v: %+v", err, r)
		}
	}
	err = sent{peers: peers, refusals: map[uuid.UUID]string{peers[0].UUID(): "no"}}.report(&out, &complaints, false)
	if err == nil || !strings.HasPrefix(err.Error(), "nobody took the message: ana (") || complaints.Len() > 0 {
		t.Errorf("all refuse: %v, %s", err, complaints.String())
	}
}
