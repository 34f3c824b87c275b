package server

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncecard"
	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/generated/go/oncerecord"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/client"
	"github.com/sjohnr/at-once/src/rendezvous/wss"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/wire"
	"github.com/sjohnr/at-once/src/zmtp"
)

// recording is all that has passed some connections, in both directions.
type recording struct {
	mu     sync.Mutex
	octets []byte
}

func (r *recording) add(b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.octets = append(r.octets, b...)
}

// finds returns which of some things are in it.
func (r *recording) finds(hidden map[string][]byte) (found []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for what, octets := range hidden {
		if bytes.Contains(r.octets, octets) {
			found = append(found, what)
		}
	}
	return found
}

// recorded is a connection of which all is recorded.
type recorded struct {
	net.Conn
	to *recording
}

func (c recorded) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.to.add(b[:n])
	return n, err
}

func (c recorded) Write(b []byte) (int, error) {
	c.to.add(b)
	return c.Conn.Write(b)
}

// The secrets of a conversation.
const (
	payload = "payload-of-a-whisper"
	called  = "anabelle-the-first"
	grouped = "group-of-conspirators"
	header  = "value-of-a-header"
)

// visitor is a node that reaches a server over TCP, or by HTTPS only.
func visitor(t *testing.T, a rendezvous.Address, web string, lent chan *client.Circuit) (*client.Client, *identity.Identity) {
	own := someone()
	must(own.Issue(1, time.Now()))
	c := client.Config{
		Address: a, Identity: own, Transport: link.TCP{}, Linger: time.Second, Log: quiet(),
		Random: func(string) float64 { return 0.1 }, Count: func(string) {},
		Describe: func() client.Description {
			return client.Description{Name: called, Groups: []string{grouped}, Headers: map[string]string{"X-HIDDEN": header}}
		},
		Watched: func() []string { return []string{grouped} },
		Willing: func(client.Proposal) bool { return true }, Met: func(*client.Meeting) {},
		Lent: func(c *client.Circuit) { lent <- c },
	}
	if web != "" {
		c.Address.Hosts = []string{"127.0.0.1:1"}
		c.Address.WSS = "wss://127.0.0.1/"
		c.WSS = func(ctx context.Context, _ string) (net.Conn, error) { return wss.Dial(ctx, "ws://"+web+"/") }
	}
	n := client.New(c)
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = n.Run(ctx, sight.Announcement{}, func([]sight.Sighting) {})
	}()
	t.Cleanup(func() { cancel(); <-over })
	return n, own
}

// TestRecording: of a conversation through a relay, over TCP and by HTTPS, a recording of all
// that passes the server holds no payload, name, group, header or private key. If the two use
// no encryption of their own, the same search finds what they say.
func TestRecording(t *testing.T) {
	for _, over := range []string{"tcp", "wss"} {
		for _, plain := range []bool{false, true} {
			t.Run(over+map[bool]string{true: " plain"}[plain], func(t *testing.T) { record(t, over == "wss", plain) })
		}
	}
}

func record(t *testing.T, https, plain bool) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tape := new(recording)
	own := someone()
	s := must(New(Config{Identity: own, Transport: link.TCP{}, Log: quiet()}, open()))
	t.Cleanup(s.Close)
	listen := func() net.Listener { return must(link.TCP{}.Listen(ctx, "tcp://127.0.0.1:*")) }
	taped := func(l net.Listener) net.Listener {
		return filtered{l, func(conn net.Conn) net.Conn { return recorded{conn, tape} }}
	}
	tcp, web := listen(), listen()
	s.Serve(taped(tcp))
	s.Serve(taped(wss.Listen(web, wss.Config{Log: quiet()})))
	address := rendezvous.Address{Hosts: []string{tcp.Addr().String()}, Key: [32]byte(own.Transport().PublicKey().Bytes()), Secret: secret}
	at := ""
	if https {
		at = web.Addr().String()
	}
	lent := make(chan *client.Circuit, 1)
	ana, who := visitor(t, address, at, nil)
	ben, other := visitor(t, address, at, lent)
	await(t, func() bool { return len(ana.Peers()) == 1 && len(ben.Peers()) == 1 })
	if _, err := ana.Introduce(ctx, other.UUID()); err != nil {
		t.Error(err)
	}
	converse(ctx, t, ana, who, other, lent, plain)
	await(t, func() bool { return s.Status().Relay.Octets > 0 })
	said := map[string][]byte{"payload": []byte(payload), "name": []byte(called), "group": []byte(grouped), "header": []byte(header)}
	if found := tape.finds(said); plain && len(found) != len(said) || !plain && len(found) > 0 {
		t.Errorf("of what they say a server reads %q", found)
	}
	keys := map[string][]byte{"key of ana": who.Transport().Bytes(), "key of ben": other.Transport().Bytes(), "SECRET": secret[:]}
	if found := tape.finds(keys); len(found) > 0 {
		t.Errorf("a server reads %q", found)
	}
	kept := new(recording) // what it has opened of what they leave with it
	for _, id := range []uuid.UUID{who.UUID(), other.UUID()} {
		kept.add(s.Registry.Get(rendezvous.KeysOf(secret, own.Card().Identity, nil).Number, id).Octets)
	}
	if found := append(kept.finds(said), kept.finds(keys)...); len(found) > 0 {
		t.Errorf("of what they leave it reads %q", found)
	}
	inside := oncerecord.Inside{Name: called, Challenge: make([]byte, 32), Groups: []string{grouped}, Headers: wire.Pairs(map[string]string{"X-HIDDEN": header})}
	kept.add(must(inside.AppendTo(nil)))
	if found := kept.finds(said); len(found) != len(said)-1 {
		t.Errorf("the same search finds but %q of what is not sealed", found)
	}
}

// await waits until something is so.
func await(t *testing.T, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("in vain")
		}
	}
}

// converse has ana say all that is secret to ben, through a circuit.
func converse(ctx context.Context, t *testing.T, ana *client.Client, who, other *identity.Identity, lent chan *client.Circuit, plain bool) {
	t.Helper()
	first := must(ana.Circuit(ctx, other.UUID(), nil, nil))
	near, far := must(first.Dial(ctx)), must((<-lent).Dial(ctx))
	from, to := link.Config{Type: zmtp.Dealer}, link.Config{Type: zmtp.Router}
	if !plain {
		key := must(ecdh.X25519().NewPublicKey(other.Transport().PublicKey().Bytes()))
		from.Curve = &zmtp.Curve{Key: who.Transport(), Server: key}
		to.Curve = &zmtp.Curve{Key: other.Transport(), Admit: anyone}
	}
	type opened struct {
		*link.Link
		error
	}
	opens := make(chan opened)
	go func() { l, err := link.Open(ctx, far, to); opens <- opened{l, err} }()
	sender, err := link.Open(ctx, near, from)
	receiver := <-opens
	if err := errors.Join(err, receiver.error); err != nil {
		t.Fatal(err)
	}
	heard := make(chan string, 4)
	var work sync.WaitGroup
	work.Go(func() { _ = sender.Serve(func(b *link.Batch) error { b.Release(); return nil }) })
	work.Go(func() {
		_ = receiver.Serve(func(b *link.Batch) error {
			defer b.Release()
			for i := range b.Len() {
				heard <- string(b.Message(i)[0])
			}
			return nil
		})
	})
	for _, word := range []string{called, grouped, header, payload} {
		b := append(zmtp.AppendHeader(nil, len(word), false), word...)
		copy(must(sender.ReserveControl(len(b))), b)
		sender.Commit()
		if got := <-heard; got != word {
			t.Errorf("ben hears %q", got)
		}
	}
	if err := errors.Join(sender.Close(), receiver.Close()); err != nil {
		t.Error(err)
	}
	work.Wait()
}

// TestMembersUnnamed: in all that a server reads of members and their roll there is no name
// and no role; the same search finds them in what members show each other.
func TestMembersUnnamed(t *testing.T) {
	const role = "role-of-a-conspirator"
	n := must(identity.OpenNetwork(t.TempDir()))
	who := must(identity.JoinAt(t.TempDir(), must(n.Invite(called, role, uuid.Nil, 30))))
	must(who.Take(must(identity.RollIn(must(n.Roll())))))
	hidden := map[string][]byte{"name": []byte(called), "role": []byte(role)}
	words := map[string]int{}
	tape := new(recording)
	hear := func(_ *scene, _ *raw, h heard) {
		switch m := h.m.(type) {
		case *oncemsg.Authenticate:
			if !bytes.Equal(m.Token, who.Token().Bare()) {
				t.Errorf("the token is %x", m.Token)
			}
		case *oncemsg.Roll:
			tape.addTokens(t, m.Roll)
		}
		words[fmt.Sprintf("%T", h.m)]++
		for _, frame := range h.frames {
			tape.add(frame)
		}
	}
	beforeLiar(t, hear, func(s *scene) {
		ana := s.node("10.0.0.2", called, who, func(c *client.Config) { c.Members = true })
		time.Sleep(time.Minute)
		leave(ana)
	})
	if words["*oncemsg.Authenticate"] != 1 || words["*oncemsg.Publish"] != 1 || words["*oncemsg.Roll"] == 0 {
		t.Errorf("the server hears %v", words)
	}
	if found := tape.finds(hidden); len(found) > 0 {
		t.Errorf("the server reads %q", found)
	}
	for _, shown := range []func(r *recording){
		func(r *recording) { r.add(who.Token().Octets()) },
		func(r *recording) { r.addTokens(t, who.Roll().Octets()) },
	} {
		tape := new(recording)
		if shown(tape); len(tape.finds(hidden)) != len(hidden) {
			t.Errorf("the same search finds but %q of what members are shown", tape.finds(hidden))
		}
	}
}

// addTokens adds what a roll has in base64.
func (r *recording) addTokens(t *testing.T, octets []byte) {
	t.Helper()
	var roll oncecard.Roll
	if err := roll.Decode(octets, nil); err != nil || len(roll.Tokens) == 0 {
		t.Fatalf("a roll with %d tokens, %v", len(roll.Tokens), err)
	}
	for _, text := range append(roll.Tokens, roll.Details...) {
		r.add(must(identity.ParseBase64(text)))
	}
}
