package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// startPages starts a peer that was written from the pages in generated/doc alone.
func startPages(t *testing.T, name string, port int) *plainNode {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal("python3 is missing: make deps")
	}
	return startPlain(t, name, exec.Command(python, "pages/peer.py", name, strconv.Itoa(port)))
}

// TestPagesAndUs has a peer that knows the pages only meet us, and do what they say. It
// ends itself at what they do not say.
func TestPagesAndUs(t *testing.T) {
	port := freePort(t)
	pages := startPages(t, "pages", port)
	ours := startOurs(t, once.Config{Name: "ours", Interfaces: []string{"lo"}, BeaconPort: port, Groups: []string{"FIRST"},
		Evasive: 300 * time.Millisecond, Silent: 2 * time.Second, Expired: 6 * time.Second})

	them := ours.sees("enter pages pages").About().Peer
	if hex(them.UUID()) != pages.uuid || them.Endpoint() != pages.endpoint {
		t.Errorf("pages is %v at %s to us", them.UUID(), them.Endpoint())
	}
	if us := pages.sees("enter ours 127.0.0.1"); us.Peer != hex(ours.UUID()) || us.Headers["X-NAME"] != "ours" {
		t.Errorf("we are %+v to pages", us)
	}
	pages.sees("join ours FIRST")

	pages.do("join", "CHAT", "")
	ours.sees("join pages CHAT")
	must(t, ours.Join("CHAT"))
	pages.sees("join ours CHAT")
	for _, text := range []string{"psst", "", "\x00\xff\x01", "in|three|frames", strings.Repeat("large.", mebibyte)} {
		var frames [][]byte
		for frame := range strings.SplitSeq(text, "|") {
			frames = append(frames, []byte(frame))
		}
		pages.do("whisper", hex(ours.UUID()), text)
		ours.sees("whisper pages " + text)
		must(t, ours.Whisper(ours.ctx, them.UUID(), frames...))
		pages.sees(strings.TrimSuffix("whisper ours "+text, " "))
		pages.do("shout", "CHAT", text)
		ours.sees("shout pages CHAT " + text)
		if n, err := ours.Shout(ours.ctx, "CHAT", frames...); n != 1 || err != nil {
			t.Errorf("shout to %d, %v", n, err)
		}
		pages.sees(strings.TrimSuffix("shout ours CHAT "+text, " "))
	}
	must(t, ours.Flush(ours.ctx)) // which pages answers with PING-OK
	pages.do("ping", "", "")
	pages.sees("alive ours")

	must(t, ours.Leave("FIRST"))
	pages.sees("leave ours FIRST")
	pages.do("leave", "CHAT", "")
	ours.sees("leave pages CHAT")
	for what, count := range ours.Counts() {
		if strings.Contains(what, "out of step") || strings.Contains(what, "malformed") || strings.Contains(what, "without") {
			t.Errorf("%d %s", count, what)
		}
	}
	pages.stop()
	if reason := ours.sees("exit pages").(*once.Exit).Reason; reason != once.Left {
		t.Errorf("pages is gone: %v", reason)
	}
}

// TestWeLeavePages stops our node, which pages hears of from our beacon; another comes.
func TestWeLeavePages(t *testing.T) {
	port := freePort(t)
	pages := startPages(t, "pages", port)
	for _, name := range []string{"ours", "again"} {
		ours := startOurs(t, once.Config{Name: name, Interfaces: []string{"lo"}, BeaconPort: port})
		ours.sees("enter pages pages")
		pages.sees("enter " + name + " 127.0.0.1")
		must(t, ours.Close())
		pages.sees("exit " + name)
	}
}

// TestPagesLivesOn leaves pages and us alone for several times as long as we wait for
// signs of life.
func TestPagesLivesOn(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	pages := startPages(t, "pages", port)
	ours := startOurs(t, once.Config{Name: "ours", Interfaces: []string{"lo"}, BeaconPort: port,
		Evasive: 300 * time.Millisecond, Silent: 600 * time.Millisecond, Expired: 2 * time.Second})
	them := ours.sees("enter pages pages").About().Peer
	pages.sees("enter ours 127.0.0.1")
	ctx, cancel := context.WithTimeout(ours.ctx, 5*time.Second)
	defer cancel()
	for event := range ours.Events(ctx) {
		t.Errorf("in peace and quiet we see %q", tell(event))
	}
	must(t, ours.Whisper(ours.ctx, them.UUID(), []byte("still there?")))
	if e := <-pages.events; e.String() != "whisper ours still there?" {
		t.Errorf("pages sees %q", e)
	}
}

// TestPagesAndCards has a reader that knows the page of cards only read the vectors: it finds
// them right, and no more so with anything changed.
func TestPagesAndCards(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal("python3 is missing: make deps")
	}
	vectors, err := os.ReadFile("../identity/testdata/once_card.json")
	must(t, err)
	for field, want := range map[string]string{"": "", "Card": "is not as the page says", "SealingKey": "the sealing key", "ID": "the id"} {
		var v map[string]any
		must(t, json.Unmarshal(vectors, &v))
		if field != "" { // its last digit changes
			value := v[field].(string)
			last := len(value) - 1
			v[field] = value[:last] + string(value[last]^1)
		}
		changed, err := json.Marshal(v)
		must(t, err)
		command := exec.Command(python, "pages/card.py")
		command.Stdin = bytes.NewReader(changed)
		said, err := command.CombinedOutput()
		if field == "" {
			want = v["ID"].(string) + " 204 1216\n"
		}
		if (err == nil) != (field == "") || !strings.Contains(string(said), want) {
			t.Errorf("%q changed: %v, and it says %q", field, err, said)
		}
	}
}
