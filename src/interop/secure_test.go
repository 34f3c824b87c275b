package interop

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zeromq/goczmq"

	"github.com/sjohnr/at-once/bindings/go/once"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/link"
)

// startSecure starts a node that trusts the certificates of some peers, as zcert
// saves them.
func startSecure(t *testing.T, config once.Config, trusted ...identity) (*ourNode, *once.Identity) {
	t.Helper()
	directory := t.TempDir()
	peers := filepath.Join(directory, "peers")
	must(t, os.Mkdir(peers, 0o700))
	for i, who := range trusted {
		must(t, who.SavePublic(filepath.Join(peers, strconv.Itoa(i)+".cert")))
	}
	us, err := once.OpenIdentity(directory)
	must(t, err)
	config.Name, config.Identity, config.Security = "ours", us, once.SecuritySecure
	if config.BeaconPort == 0 {
		config.BeaconPort, config.Endpoint = once.NoBeacon, "tcp://127.0.0.1:*"
	}
	return startOurs(t, config), us
}

// admitting has CZMQ's zauth admit who has one of some certificates of ours.
func admitting(t *testing.T, who ...*once.Identity) {
	t.Helper()
	directory := t.TempDir()
	for i, us := range who {
		must(t, os.WriteFile(filepath.Join(directory, strconv.Itoa(i)+".cert"), []byte(us.Certificate()), 0o600))
	}
	auth := goczmq.NewAuth()
	t.Cleanup(auth.Destroy)
	must(t, auth.Curve(directory))
}

// greeted waits for the HELLO of a secure node, which has its key for Zyre, and no card.
func (p *zrePeer) greeted(ours *ourNode) {
	p.t.Helper()
	endpoint, key, _ := strings.Cut(ours.Endpoint(), "|")
	hello, ok := p.hears(ours.UUID()).(*zremsg.Hello)
	if !ok || hello.Endpoint != endpoint {
		p.t.Fatalf("we say %+v", hello)
	}
	headers := map[string]string{}
	for _, h := range hello.Headers {
		headers[h.Key] = h.Value
	}
	if headers["X-PUBLICKEY"] != key || headers["X-ONCE-CARD"] != "" {
		p.t.Errorf("our headers are %q", headers)
	}
}

// TestSecurePeer talks with a peer as a secure Zyre node is, each knowing the
// other's certificate.
func TestSecurePeer(t *testing.T) {
	theirs := newIdentity(t)
	ours, us := startSecure(t, once.Config{Groups: []string{"CHAT"}}, newIdentity(t), theirs)
	admitting(t, us)
	p := lonePeer(t, theirs, "")
	p.connect(ours.Endpoint())
	p.greet("zyre", "CHAT")
	p.greeted(ours)
	them := ours.sees("enter zyre zyre").About().Peer
	if them.Protection() != once.ProtectionCurve || them.Identity() != "" || them.Endpoint() != p.endpoint+"|"+theirs.PublicText() {
		t.Errorf("it is at %s, by %q, %v", them.Endpoint(), them.Identity(), them.Protection())
	}
	ours.sees("join zyre CHAT")
	p.talk(ours)
	p.say(func(n uint16) zremsg.Message { return &zremsg.Goodbye{Sequence: n} })
	ours.sees("exit zyre")
}

// TestSecurePeerRefused turns away a peer of which we have no certificate, before it
// has said anything, and tells so.
func TestSecurePeerRefused(t *testing.T) {
	ours, _ := startSecure(t, once.Config{}, newIdentity(t))
	p := lonePeer(t, newIdentity(t), "")
	p.connect(ours.Endpoint())
	p.greet("zyre")
	refusal := ours.sees("*once.Refusal ").(*once.Refusal)
	if refusal.Peer.UUID() != p.id || !strings.Contains(refusal.Text, "card") {
		t.Errorf("refused is %v: %s", refusal.Peer.UUID(), refusal.Text)
	}
}

// lines is a log that passes on some of its lines.
type lines struct {
	slog.Handler
	about string
	seen  chan string
}

func (l lines) Enabled(context.Context, slog.Level) bool { return true }

func (l lines) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if r.Message == l.about && a.Key == "error" {
			select {
			case l.seen <- a.Value.String():
			default:
			}
		}
		return true
	})
	return nil
}

// TestSecurePeerRefusesUs has CZMQ's zauth turn away a node whose certificate it does
// not have.
func TestSecurePeerRefusesUs(t *testing.T) {
	theirs, other := newIdentity(t), newIdentity(t)
	us, err := once.OpenIdentity("")
	must(t, err)
	admitting(t, us)
	log := lines{slog.DiscardHandler, "cannot connect", make(chan string, 1)}
	ours, _ := startSecure(t, once.Config{Logger: slog.New(log)}, theirs, other)
	p := lonePeer(t, theirs, "")
	p.connect(ours.Endpoint())
	p.greet("zyre")
	select {
	case why := <-log.seen:
		if !strings.Contains(why, "400") {
			t.Errorf("we are turned away with %s", why)
		}
	case <-time.After(patience):
		t.Error("we are not turned away")
	}
}

// TestSecureBeacon has a peer announce itself and its key, as RFC 43 has it. The peer
// learns our key from our greeting.
func TestSecureBeacon(t *testing.T) {
	theirs, port := newIdentity(t), freePort(t)
	ours, _ := startSecure(t, once.Config{Interfaces: []string{"127.0.0.1"}, BeaconPort: port}, theirs)
	p := lonePeer(t, theirs, "")
	_, listens, err := net.SplitHostPort(strings.TrimPrefix(p.endpoint, "tcp://"))
	must(t, err)
	number, err := strconv.ParseUint(listens, 10, 16)
	must(t, err)
	key := theirs.public()
	beacon := append([]byte("ZRE\x03"), p.id[:]...)
	beacon = append(binary.BigEndian.AppendUint16(beacon, uint16(number)), key[:]...)
	air, err := net.Dial("udp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	must(t, err)
	defer air.Close()
	_, err = air.Write(beacon)
	must(t, err)

	p.greeted(ours)
	p.connect(ours.Endpoint())
	p.greet("zyre")
	ours.sees("enter zyre zyre")
	p.say(func(n uint16) zremsg.Message { return &zremsg.Whisper{Sequence: n} }, []byte("psst"))
	ours.sees("whisper zyre psst")
	must(t, ours.Whisper(ours.ctx, p.id, []byte("hush")))
	if w, ok := p.hears(ours.UUID()).(*zremsg.Whisper); !ok || !same(w.Content, [][]byte{[]byte("hush")}) {
		t.Errorf("it hears %+v", w)
	}
}

// TestCurveProperties shows libzmq cards and tokens, the largest that there may be
// among them, in INITIATE and in READY.
func TestCurveProperties(t *testing.T) {
	server, client := newIdentity(t), newIdentity(t)
	for _, size := range []int{1 << 11, 1 << 12} {
		shown := map[string][]byte{"X-Once-Card": bytes.Repeat([]byte{0xFF}, size), "X-Once-Token": make([]byte, size)}
		show := func(c link.Config) link.Config {
			c.Properties = shown
			return c
		}
		theirs, endpoint := curveServer(t, server)
		ours := dial(t, endpoint, show(asClient(client, server)))
		ours.send([]byte("up"))
		if got := theirs.receive(); !bytes.Equal(got[0], ourIdentity) || !same(got[1:], [][]byte{[]byte("up")}) {
			t.Errorf("with %d octets in INITIATE, libzmq gets %q", size, got)
		}
		listener, endpoint := listen(t)
		theirs = curveClient(t, client, server, endpoint)
		ours = accept(t, listener, show(asServer(server, client)))
		ours.send([]byte("down"))
		if got := theirs.receive(); !same(got, [][]byte{[]byte("down")}) {
			t.Errorf("with %d octets in READY, libzmq gets %q", size, got)
		}
	}
}
