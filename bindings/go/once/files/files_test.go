package files_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/sjohnr/at-once/bindings/go/once"
	"github.com/sjohnr/at-once/bindings/go/once/files"
	"github.com/sjohnr/at-once/bindings/go/once/oncetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// file makes a file of random octets and returns its path.
func file(t *testing.T, octets int) string {
	t.Helper()
	content := make([]byte, octets)
	rand.Read(content)
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// here is a node on a host, whose events are read until the test ends.
type here struct {
	*files.Files
	node     *once.Node
	whispers chan string
	came     chan once.Peer
}

func start(t *testing.T, ctx context.Context, config once.Config) *here {
	t.Helper()
	node, err := once.Start(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	h := &here{files.New(node), node, make(chan string, 100), make(chan once.Peer, 10)}
	go func() {
		for event := range h.Events(context.Background()) {
			switch e := event.(type) {
			case *once.Whisper:
				h.whispers <- string(e.Content[0])
			case *once.Enter:
				h.came <- e.Peer
			}
		}
	}()
	return h
}

// TestWhisperBesideTransfer whispers during a transfer over lines of 8 Mbit/s.
func TestWhisperBesideTransfer(t *testing.T) {
	for _, delay := range []time.Duration{time.Millisecond, 20 * time.Millisecond} {
		t.Run(fmt.Sprint(delay), func(t *testing.T) { whisperBesideTransfer(t, delay) })
	}
}

func whisperBesideTransfer(t *testing.T, delay time.Duration) {
	const octets, rate = 20 << 20, 1_000_000
	path, into := file(t, octets), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		network := oncetest.New(t, 1)
		network.SetLine(oncetest.Line{Delay: delay, Rate: rate})
		from := start(t, network.Host("10.0.0.1").Context(), once.Config{Name: "from"})
		to := start(t, network.Host("10.0.0.2").Context(), once.Config{Name: "to"})
		peer := <-from.came
		<-to.came
		transfer := from.Offer(peer.UUID())
		if err := transfer.Add(path); err != nil {
			t.Fatal(err)
		}
		sent, received := make(chan error, 1), make(chan error, 1)
		began := time.Now()
		go func() { sent <- transfer.Send(t.Context()) }()
		go func() {
			offer, err := to.NextOffer(t.Context())
			if err == nil {
				err = offer.Receive(t.Context(), into, false)
			}
			received <- err
		}()
		var worst time.Duration
		for transfer.OctetsDone() < octets-rate {
			time.Sleep(500 * time.Millisecond)
			said := time.Now()
			if err := from.node.Whisper(t.Context(), peer.UUID(), []byte("psst")); err != nil {
				t.Fatal(err)
			}
			<-to.whispers
			worst = max(worst, time.Since(said))
		}
		if err := errors.Join(<-received, <-sent); err != nil {
			t.Fatal(err)
		}
		took := time.Since(began)
		t.Logf("a whisper arrives within %v; %d octets took %v", worst, octets, took)
		if worst > 250*time.Millisecond {
			t.Errorf("a whisper took %v", worst)
		}
		if least := time.Duration(octets/rate) * time.Second; took > least*5/4 {
			t.Errorf("%d octets took %v, where %v are needed", octets, took, least)
		}
		from.node.Close()
		to.node.Close()
	})
}

// TestSendAndReceive uses what is for programs that do nothing else.
func TestSendAndReceive(t *testing.T) {
	path, into := file(t, 1<<20), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		network := oncetest.New(t, 1)
		nodes := make([]*once.Node, 2)
		for i := range nodes {
			node, err := once.Start(network.Host(fmt.Sprintf("10.0.0.%d", i+1)).Context(), quick)
			if err != nil {
				t.Fatal(err)
			}
			defer node.Close()
			nodes[i] = node
		}
		for _, node := range nodes {
			if event, err := node.Next(t.Context()); err != nil {
				t.Fatal(event, err)
			}
		}
		for _, takes := range []bool{false, true} {
			receiving, stop := context.WithCancel(t.Context())
			received := make(chan error, 1)
			go func() {
				received <- files.Receive(receiving, nodes[1], into, func(offer *files.Transfer) bool {
					return takes && offer.Peer() == nodes[0].UUID() && offer.Title() == "file"
				})
			}()
			err := files.Send(t.Context(), nodes[0], nodes[1].UUID(), path)
			if takes {
				err = errors.Join(err, <-received)
			} else if stop(); !errors.Is(err, files.ErrDeclined) || !errors.Is(<-received, context.Canceled) {
				t.Errorf("an offer that is refused ends with %v", err)
			} else {
				err = nil
			}
			if stop(); err != nil {
				t.Error(err)
			}
		}
	})
	if _, err := os.Stat(filepath.Join(into, "file")); err != nil {
		t.Error(err)
	}
}

// TestIs checks that programs can tell what is for files alone.
func TestIs(t *testing.T) {
	if files.Is(&once.Whisper{Content: [][]byte{[]byte("hello")}}) || files.Is(&once.Enter{}) {
		t.Error("what an application says is taken for files")
	}
}

// TestInterrupted breaks connections, crashes hosts and parts networks in the middle of a
// transfer. Each side is a program that goes on when the other is back.
func TestInterrupted(t *testing.T) {
	for what, interrupt := range map[string]func(l *lan){
		"breaks":           func(l *lan) { l.from.Break() },
		"sender crashes":   func(l *lan) { l.from.Crash(); l.from.Restart(); l.from.Go(l.send) },
		"receiver crashes": func(l *lan) { l.to.Crash(); l.to.Restart(); l.to.Go(l.receive) },
		"both crash": func(l *lan) {
			l.from.Crash()
			l.to.Crash()
			l.to.Restart()
			l.to.Go(l.receive)
			l.from.Restart()
			l.from.Go(l.send)
		},
		"parted": func(l *lan) {
			l.network.Partition([]*oncetest.Host{l.from}, []*oncetest.Host{l.to})
			time.Sleep(20 * time.Second)
			l.network.Heal()
		},
	} {
		t.Run(what, func(t *testing.T) {
			path, into := file(t, 10<<20), t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				network := oncetest.New(t, 1)
				network.SetLine(oncetest.Line{Delay: 5 * time.Millisecond, Rate: 1 << 20})
				l := &lan{t: t, network: network, from: network.Host("10.0.0.1"), to: network.Host("10.0.0.2"), path: path, into: into,
					sent: make(chan bool, 1), received: make(chan bool, 1)}
				l.from.Go(l.send)
				l.to.Go(l.receive)
				for range 2 {
					time.Sleep(3 * time.Second)
					interrupt(l)
				}
				limit := time.After(5 * time.Minute)
				for _, done := range []chan bool{l.received, l.sent} {
					select {
					case <-done:
					case <-limit:
						t.Fatal("it takes too long")
					}
				}
			})
			want, err := os.ReadFile(path)
			got, fault := os.ReadFile(filepath.Join(into, filepath.Base(path)))
			if err != nil || fault != nil || !bytes.Equal(got, want) {
				t.Errorf("what has arrived is not what was sent: %v, %v", err, fault)
			}
		})
	}
}

// lan is two hosts that send and receive a file.
type lan struct {
	t              *testing.T
	network        *oncetest.Network
	from, to       *oncetest.Host
	path, into     string
	sent, received chan bool
}

var quick = once.Config{Security: once.SecurityPlain, Expired: 12 * time.Second}

// send sends the file to whoever comes, until somebody has it.
func (l *lan) send(ctx context.Context) error {
	h := start(l.t, ctx, quick)
	defer h.node.Close()
	for {
		select {
		case peer := <-h.came:
			transfer := h.Offer(peer.UUID())
			err := transfer.Add(l.path)
			if err == nil {
				err = transfer.Send(ctx)
			}
			if err == nil {
				l.sent <- true
			} else if !errors.Is(err, files.ErrGone) {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// receive receives the file from whoever offers it.
func (l *lan) receive(ctx context.Context) error {
	h := start(l.t, ctx, quick)
	defer h.node.Close()
	for {
		offer, err := h.NextOffer(ctx)
		if err == nil {
			err = offer.Receive(ctx, l.into, false)
		}
		if err == nil {
			l.received <- true
		} else if !errors.Is(err, files.ErrGone) {
			return err
		}
	}
}
