package files

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncefiles"
)

// side is one of two nodes, whose whispers reach the other in order after a while.
type side struct {
	*Files
	id    uuid.UUID
	other *side
	line  chan carried
	lose  func(frame []byte) bool
	alter func(frame []byte) []byte
	heard []byte // ids of the messages that reached this side
}

type carried struct {
	frame []byte
	due   time.Time
}

const onTheWay = 10 * time.Millisecond

func (s *side) Whisper(ctx context.Context, peer uuid.UUID, content [][]byte) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case peer != s.other.id:
		return api.ErrNoPeer
	}
	s.line <- carried{append([]byte(nil), content[0]...), time.Now().Add(onTheWay)}
	return nil
}

// carry brings what a side says to the other one.
func (s *side) carry() {
	for c := range s.line {
		time.Sleep(time.Until(c.due))
		if s.lose != nil && s.lose(c.frame) {
			continue
		}
		if s.alter != nil {
			c.frame = s.alter(c.frame)
		}
		s.other.heard = append(s.other.heard, c.frame[2])
		s.other.Take(s.id, [][]byte{c.frame})
	}
}

// pair returns two sides, in a bubble of synctest.
func pair(t *testing.T) (from, to *side) {
	from, to = &side{id: uuid.New(), line: make(chan carried, 1<<16)}, &side{id: uuid.New(), line: make(chan carried, 1<<16)}
	from.other, to.other = to, from
	var carrying sync.WaitGroup
	t.Cleanup(carrying.Wait)
	for _, s := range []*side{from, to} {
		s.Files, _ = New(s)
		carrying.Go(s.carry)
		t.Cleanup(func() { close(s.line) })
	}
	return from, to
}

// send offers paths and returns how it went.
func (s *side) send(ctx context.Context, t *testing.T, paths ...string) <-chan error {
	t.Helper()
	transfer := s.Offer(s.other.id)
	for _, p := range paths {
		if err := transfer.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	sent := make(chan error, 1)
	go func() { sent <- transfer.Send(ctx) }()
	return sent
}

// receive takes the next offer.
func (s *side) receive(ctx context.Context, t *testing.T, into string, overwrite bool) error {
	t.Helper()
	offer, err := s.NextOffer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return offer.Receive(ctx, into, overwrite)
}

// write makes files and returns where. A path that ends in a slash is a folder.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "root")
	for p, content := range files {
		at := filepath.Join(root, p)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if strings.HasSuffix(p, "/") {
			err = os.MkdirAll(at, 0o755)
		} else {
			err = os.WriteFile(at, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// tree reads what is in a folder.
func read(t *testing.T, root string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
		if err != nil || p == root {
			return err
		}
		below, _ := filepath.Rel(root, p)
		if e.IsDir() {
			found[below+"/"] = ""
			return nil
		}
		content, err := os.ReadFile(p)
		found[below] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// same fails if two trees differ.
func same(t *testing.T, got, want map[string]string) {
	t.Helper()
	if maps.Equal(got, want) {
		return
	}
	for p, content := range want {
		if have, ok := got[p]; !ok || have != content {
			t.Errorf("%s: there is %v with %d octets, want %d", p, ok, len(have), len(content))
		}
	}
	for p := range got {
		if _, ok := want[p]; !ok {
			t.Errorf("%s is there", p)
		}
	}
}

func random(octets int) string {
	b := make([]byte, octets)
	rand.Read(b)
	return string(b)
}

// is tells whether a message has an id.
func is(frame []byte, ids ...oncefiles.ID) bool {
	for _, id := range ids {
		if oncefiles.ID(frame[2]) == id {
			return true
		}
	}
	return false
}

func bubble(t *testing.T, test func(t *testing.T, ctx context.Context, from, to *side)) {
	synctest.Test(t, func(t *testing.T) {
		from, to := pair(t)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		test(t, ctx, from, to)
	})
}

func expect(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) || (want == nil) != (err == nil) {
		t.Errorf("%s: the error is %v, want %v", what, err, want)
	}
}

func sha(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}
