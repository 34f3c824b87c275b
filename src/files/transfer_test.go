package files

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncefiles"
)

var some = map[string]string{
	"a/empty":         "",
	"a/small":         "small",
	"a/b/c/large":     random(3<<20 + 17),
	"a/b/part":        random(oncefiles.MaxDataContent),
	"a/b/piece":       random(oncefiles.MaxPiece),
	"a/nothing/here/": "",
	"a/ünïcode 日本":    "name",
}

// folders adds those that the files are in.
func withFolders(files map[string]string) map[string]string {
	all := map[string]string{}
	for p, content := range files {
		all[p] = content
		for dir := filepath.Dir(strings.TrimSuffix(p, "/")); dir != "."; dir = filepath.Dir(dir) {
			all[dir+"/"] = ""
		}
	}
	return all
}

// TestTransfer sends a folder, and the same again, of which nothing is sent.
func TestTransfer(t *testing.T) {
	source, into := write(t, some), filepath.Join(t.TempDir(), "new", "folder")
	for range 2 {
		bubble(t, func(t *testing.T, ctx context.Context, from, to *side) {
			sent := from.send(ctx, t, filepath.Join(source, "a"))
			expect(t, "receive", to.receive(ctx, t, into, false), nil)
			expect(t, "send", <-sent, nil)
			for name, n := range to.Counts() {
				t.Errorf("%d %s", n, name)
			}
		})
		same(t, read(t, into), withFolders(some))
	}
}

// TestMany checks that many small files do not take a round trip each, whether they are
// there or not.
func TestMany(t *testing.T) {
	const many = 300
	small := map[string]string{}
	for i := range many {
		small[fmt.Sprintf("a/%d", i)] = fmt.Sprint(i)
	}
	source, into := write(t, small), t.TempDir()
	for _, what := range []string{"new", "there"} {
		bubble(t, func(t *testing.T, ctx context.Context, from, to *side) {
			began := time.Now()
			sent := from.send(ctx, t, filepath.Join(source, "a"))
			expect(t, "receive", to.receive(ctx, t, into, false), nil)
			expect(t, "send", <-sent, nil)
			if took := time.Since(began); took > many*onTheWay/4 {
				t.Errorf("%d files, %s: %v", many, what, took)
			}
		})
	}
	same(t, read(t, into), withFolders(small))
}

// TestLoss loses messages of each kind, a tenth of them, in both directions.
func TestLoss(t *testing.T) {
	source := write(t, some)
	for seed := range uint64(20) {
		into := t.TempDir()
		bubble(t, func(t *testing.T, ctx context.Context, from, to *side) {
			chance := rand.New(rand.NewPCG(seed, 0))
			for _, s := range []*side{from, to} {
				chance := rand.New(rand.NewPCG(chance.Uint64(), 0))
				s.lose = func([]byte) bool { return chance.IntN(10) == 0 }
			}
			sent := from.send(ctx, t, filepath.Join(source, "a"))
			expect(t, fmt.Sprint("receive with seed ", seed), to.receive(ctx, t, into, false), nil)
			from.Gone(to.id) // it may have lost the END, and does not wait for it for ever
			<-sent
			if to.Counts()["asked anew"] == 0 {
				t.Error("nothing was lost")
			}
		})
		same(t, read(t, into), withFolders(some))
	}
}

// TestLinkLost loses all that is under way, several times.
func TestLinkLost(t *testing.T) {
	source, into := write(t, some), t.TempDir()
	bubble(t, func(t *testing.T, ctx context.Context, from, to *side) {
		began := time.Now()
		from.lose = func(frame []byte) bool { return time.Since(began)%(400*time.Millisecond) > 300*time.Millisecond }
		sent := from.send(ctx, t, filepath.Join(source, "a"))
		expect(t, "receive", to.receive(ctx, t, into, false), nil)
		expect(t, "send", <-sent, nil)
	})
	same(t, read(t, into), withFolders(some))
}

// TestResume ends either side in the middle, by a word and without one. What has arrived
// is not sent again, and what is not the same is.
func TestResume(t *testing.T) {
	content := random(5 << 20)
	source, into := write(t, map[string]string{"file": content}), t.TempDir()
	attempt := func(octets int, ended func(cancelSend, cancelReceive func(), from, to *side)) (data int) {
		bubble(t, func(t *testing.T, ctx context.Context, from, to *side) {
			sending, cancelSend := context.WithCancel(ctx)
			receiving, cancelReceive := context.WithCancel(ctx)
			defer cancelSend()
			defer cancelReceive()
			from.lose = func(frame []byte) bool {
				if is(frame, oncefiles.IDData) {
					if data += len(frame); octets > 0 && data > octets {
						ended(cancelSend, cancelReceive, from, to)
					}
				}
				return false
			}
			sent := from.send(sending, t, filepath.Join(source, "file"))
			err := to.receive(receiving, t, into, false)
			if octets > 0 && (err == nil || <-sent == nil) {
				t.Error("a transfer that was ended returns nil")
			} else if octets == 0 {
				expect(t, "receive", err, nil)
				expect(t, "send", <-sent, nil)
			}
		})
		return data
	}
	attempt(1<<20+1<<19, func(cancelSend, _ func(), _, _ *side) { cancelSend() })
	attempt(1<<20, func(_, cancelReceive func(), _, _ *side) { cancelReceive() })
	attempt(1<<20, func(_, _ func(), from, to *side) { to.Gone(from.id); from.Gone(to.id) })
	partial := filepath.Join(into, "file"+partialSuffix)
	info, err := os.Stat(partial)
	if err != nil || info.Size() < 2<<20 {
		t.Fatalf("after three attempts there is %v, %v", info, err)
	}
	kept := int(info.Size() >> 20 << 20)
	if sent := attempt(0, nil); sent > len(content)-kept+len(content)/50 {
		t.Errorf("of %d octets, %d of which were there, %d were sent", len(content), kept, sent)
	}
	same(t, read(t, into), map[string]string{"file": content})

	// a beginning that is of another file
	other := content[:1<<20] + random(2<<20)
	if err := os.WriteFile(partial, []byte(other), 0o644); err != nil {
		t.Fatal(err)
	}
	os.Remove(filepath.Join(into, "file"))
	if sent := attempt(0, nil); sent < 4<<20 || sent > 4<<20+4<<20/50 {
		t.Errorf("1 MiB of 5 was the same, and %d octets were sent", sent)
	}
	same(t, read(t, into), map[string]string{"file": content})
}

// TestOccupied checks that no file is replaced unless that was asked for, and that a
// folder never is.
func TestOccupied(t *testing.T) {
	for _, there := range []string{"other", "mine!"} {
		source, into := write(t, map[string]string{"file": "other"}), write(t, map[string]string{"file": there})
		if there == "other" {
			there, into = "", write(t, map[string]string{"file/": ""})
		}
		for _, overwrite := range []bool{false, true} {
			bubble(t, func(t *testing.T, ctx context.Context, from, to *side) {
				want := api.ErrOccupied
				if overwrite && there != "" {
					want = nil
				}
				sent := from.send(ctx, t, filepath.Join(source, "file"))
				expect(t, "receive", to.receive(ctx, t, into, overwrite), want)
				expect(t, "send", <-sent, want)
				switch {
				case there == "":
					same(t, read(t, into), map[string]string{"file/": ""})
				case overwrite:
					same(t, read(t, into), map[string]string{"file": "other"})
				default:
					same(t, read(t, into), map[string]string{"file": there})
				}
			})
		}
	}
}

// TestReplaced replaces a file of the same size whose beginning is the same.
func TestReplaced(t *testing.T) {
	content := random(4<<20 + 5)
	source, into := write(t, map[string]string{"file": content}), write(t, map[string]string{"file": content[:2<<20] + random(2<<20+5)})
	for _, overwrite := range []bool{false, true} {
		bubble(t, func(t *testing.T, ctx context.Context, from, to *side) {
			want := map[bool]error{false: api.ErrOccupied}[overwrite]
			sent := from.send(ctx, t, filepath.Join(source, "file"))
			expect(t, "receive", to.receive(ctx, t, into, overwrite), want)
			expect(t, "send", <-sent, want)
		})
	}
	same(t, read(t, into), map[string]string{"file": content})
}

// TestRefuse checks that a refusal is told, and an offer comes again if that was lost.
func TestRefuse(t *testing.T) {
	source := write(t, map[string]string{"file": "text"})
	bubble(t, func(t *testing.T, ctx context.Context, from, to *side) {
		first := true
		to.lose = func([]byte) bool { defer func() { first = false }(); return first }
		sent := from.send(ctx, t, filepath.Join(source, "file"))
		offer, err := to.NextOffer(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if offer.Title() != "file" || offer.Octets() != 4 || offer.Files() != 1 || offer.Peer() != from.id {
			t.Errorf("the offer is of %q, %d files, %d octets", offer.Title(), offer.Files(), offer.Octets())
		}
		if err := offer.Refuse(ctx, "not today"); err != nil {
			t.Fatal(err)
		}
		if offer, err = to.NextOffer(ctx); err != nil { // as it has not heard that
			t.Fatal(err)
		}
		if err := offer.Refuse(ctx, "not today"); err != nil {
			t.Fatal(err)
		}
		if err := <-sent; err == nil || err.Error() != api.ErrDeclined.Error()+": not today" {
			t.Errorf("the sender is told %v", err)
		}
	})
}

// TestChanged changes a file while it is sent.
func TestChanged(t *testing.T) {
	source, into := write(t, map[string]string{"file": random(1 << 20)}), t.TempDir()
	name := filepath.Join(source, "file")
	bubble(t, func(t *testing.T, ctx context.Context, from, to *side) {
		n := 0
		from.lose = func(frame []byte) bool {
			if n++; n == 10 {
				os.WriteFile(name, []byte(random(1<<20)), 0o644)
				os.Chtimes(name, time.Time{}, time.Now().Add(time.Hour))
			}
			return false
		}
		sent := from.send(ctx, t, name)
		expect(t, "receive", to.receive(ctx, t, into, false), api.ErrChanged)
		expect(t, "send", <-sent, api.ErrChanged)
	})
	if _, err := os.Stat(filepath.Join(into, "file")); err == nil {
		t.Error("the file is there")
	}
}

// TestSilence checks that neither side waits for ever for one that says nothing.
func TestSilence(t *testing.T) {
	source, into := write(t, map[string]string{"file": random(1 << 20)}), t.TempDir()
	bubble(t, func(t *testing.T, ctx context.Context, from, to *side) {
		n := 0
		from.lose = func(frame []byte) bool { n++; return n > 20 }
		began := time.Now()
		sent := from.send(ctx, t, filepath.Join(source, "file"))
		expect(t, "receive", to.receive(ctx, t, into, false), api.ErrStalled)
		if took := time.Since(began); took > 3*silence {
			t.Errorf("the receiver gives up after %v", took)
		}
		expect(t, "send", <-sent, api.ErrStalled)
	})
}

// TestUnanswered checks that an offer which nobody answers ends.
func TestUnanswered(t *testing.T) {
	source := write(t, map[string]string{"file": "text"})
	bubble(t, func(t *testing.T, ctx context.Context, from, to *side) {
		expect(t, "send", <-from.send(ctx, t, source), api.ErrUnanswered)
		offer, err := to.NextOffer(ctx)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, "receive", offer.Receive(ctx, t.TempDir(), false), api.ErrAbandoned)
	})
}

// TestTwoOfOneName checks that two transfers of one file do not write it at once.
func TestTwoOfOneName(t *testing.T) {
	content := random(2 << 20)
	source, into := write(t, map[string]string{"file": content}), t.TempDir()
	bubble(t, func(t *testing.T, ctx context.Context, from, to *side) {
		first, second := from.send(ctx, t, filepath.Join(source, "file")), from.send(ctx, t, filepath.Join(source, "file"))
		received := make(chan error, 2)
		for range 2 {
			go func() { received <- to.receive(ctx, t, into, false) }()
		}
		for range 2 {
			expect(t, "receive", <-received, nil)
		}
		expect(t, "send", <-first, nil)
		expect(t, "send", <-second, nil)
	})
	same(t, read(t, into), map[string]string{"file": content})
}
