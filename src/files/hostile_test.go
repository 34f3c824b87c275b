package files

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncefiles"
)

func TestNames(t *testing.T) {
	for _, p := range []string{"a", "a/b", "a/.hidden", "ünïcode 日本", "a b", "a/...", "a👩‍👩‍👧", strings.Repeat("x", oncefiles.MaxPart), "-rf"} {
		if err := checkPath(p); err != nil {
			t.Error(err)
		}
	}
	for _, p := range []string{"", ".", "..", "/", "/etc/passwd", "../a", "a/../b", "a/..", "a//b", "a/", "./a", ".bashrc", ".ssh/authorized_keys",
		"a\x00b", "a\nb", "a\x1b[31mb", "a\u202eb", "a\u2028b", "a\u2066b", "a\xffb", "a.once-partial", "a/b.ONCE-Partial/c",
		strings.Repeat("x", oncefiles.MaxPart+1), strings.Repeat("x/", oncefiles.MaxPath/2) + "x"} {
		if err := checkPath(p); err == nil {
			t.Errorf("%q is taken", p)
		}
	}
	if runtime.GOOS != "windows" {
		return
	}
	for _, p := range []string{"NUL", "a/con", "com1.txt", "a\\b", "c:a", "a?", "a.", "a ", "LPT9", "CONIN$", "a/b:c"} {
		if err := checkPath(p); err == nil {
			t.Errorf("%q is taken", p)
		}
	}
}

// FuzzPath checks that what is taken stays below.
func FuzzPath(f *testing.F) {
	f.Add("a/b")
	f.Add("../a")
	f.Fuzz(func(t *testing.T, p string) {
		if checkPath(p) != nil {
			return
		}
		if !filepath.IsLocal(filepath.FromSlash(p)) || p != filepath.ToSlash(filepath.Clean(filepath.FromSlash(p))) || strings.ContainsFunc(p, misleads) {
			t.Errorf("%q is taken", p)
		}
	})
}

// FuzzMessage checks that each message has one encoding, and that a node takes none that
// makes it panic.
func FuzzMessage(f *testing.F) {
	for id := oncefiles.IDOffer; id <= oncefiles.IDListing; id++ {
		frame, err := oncefiles.New(id).AppendTo(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(frame)
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		files, _ := New(nil)
		id, err := oncefiles.Peek(frame)
		if files.Take(uuid.Nil, [][]byte{frame}) != (err == nil) {
			t.Errorf("%x is taken, or is not, by mistake", frame)
		}
		if err != nil {
			return
		}
		m := oncefiles.New(id)
		if m.Decode(frame, nil) != nil {
			return
		}
		if again, err := m.AppendTo(nil); err != nil || !bytes.Equal(again, frame) {
			t.Errorf("%x becomes %x, %v", frame, again, err)
		}
	})
}

// FuzzListing checks that what is unpacked is what was offered.
func FuzzListing(f *testing.F) {
	tree := tree{entries: []entry{{}, {path: "a", kind: kindFolder}, {path: "a/b", kind: kindFile, octets: 5}}}
	listing, err := tree.listing()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(listing, 2, uint64(5))
	f.Fuzz(func(t *testing.T, listing []byte, count int, octets uint64) {
		files, _ := New(nil)
		transfer := files.newTransfer(key{})
		transfer.count, transfer.octets, transfer.entries = count, octets, make([]entry, 1)
		if transfer.unpack(listing) != nil {
			return
		}
		for _, e := range transfer.entries[1:] {
			octets -= e.octets
		}
		if octets != 0 || len(transfer.entries) != count+1 {
			t.Errorf("%d entries, %d octets too many", len(transfer.entries)-1, -octets)
		}
	})
}

// TestOffers checks that offers which cannot be true are not taken, and no more wait than may.
func TestOffers(t *testing.T) {
	files, _ := New(nil)
	peer, number := uuid.New(), uint64(0)
	offer := func(o oncefiles.Offer) {
		number++
		o.Transfer = number
		frame, err := o.AppendTo(nil)
		if err != nil {
			t.Fatal(err)
		}
		if !files.Take(peer, [][]byte{frame}) {
			t.Error("an offer is not taken")
		}
	}
	offer(oncefiles.Offer{Octets: math.MaxInt64 + 1})
	offer(oncefiles.Offer{Listing: oncefiles.MaxListing + 1})
	if n := files.Counts()["malformed"]; n != 2 || len(files.transfers) != 0 {
		t.Errorf("of 2 offers, %d are malformed", n)
	}
	for n := range oncefiles.MaxOffers/oncefiles.MaxOffered + 1 {
		peer = uuid.New()
		for range oncefiles.MaxOffered + 1 {
			offer(oncefiles.Offer{Files: 1})
		}
		there := min((n+1)*oncefiles.MaxOffered, oncefiles.MaxOffers)
		if left := files.Counts()["crowded"]; len(files.transfers) != there || left != uint64((n+1)*(oncefiles.MaxOffered+1)-there) {
			t.Errorf("of %d peers %d offers wait, %d do not", n+1, len(files.transfers), left)
		}
	}
	peer = (<-files.offers).peer
	flood, err := (&oncefiles.Data{Transfer: 3, Content: make([]byte, oncefiles.MaxDataContent)}).AppendTo(nil)
	if err != nil || !files.Take(peer, [][]byte{flood}) || files.Counts()["stray"] != 1 {
		t.Errorf("what comes before an offer is taken is kept: %v, %v", files.Counts(), err)
	}
	for k := range files.transfers {
		files.Gone(k.peer)
	}
	waiting, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := files.NextOffer(waiting); err == nil || len(files.transfers) != 0 {
		t.Error("offers of who is gone wait")
	}
	if files.Take(peer, [][]byte{[]byte("hello")}) || files.Take(peer, nil) || files.Take(peer, [][]byte{{0xAA, 0xA6, 1, 1}, {}}) {
		t.Error("what the application says is taken")
	}
}

// list has a sender list something else than it has.
func list(paths []string, kinds []byte, sizes ...uint64) func([]byte) []byte {
	l := oncefiles.Listing{Paths: paths, Kinds: kinds}
	for _, size := range sizes {
		l.Sizes = binary.BigEndian.AppendUint64(l.Sizes, size)
	}
	octets, _ := l.AppendTo(nil)
	return func(frame []byte) []byte {
		var offer oncefiles.Offer
		var data oncefiles.Data
		if offer.Decode(frame, nil) == nil {
			offer.Files, offer.Listing = uint32(len(paths)), uint32(len(octets))
			frame, _ = offer.AppendTo(nil)
		} else if data.Decode(frame, nil) == nil && data.File == 0 {
			data.Content = octets
			data.Digest = sha(octets)
			frame, _ = data.AppendTo(nil)
		}
		return frame
	}
}

// TestListings checks that a listing which is not as offered, or has a path that is not
// taken, brings nothing.
func TestListings(t *testing.T) {
	const name = "a name that makes the true listing longer than any of those below"
	source := write(t, map[string]string{name: "12345"})
	for what, c := range map[string]struct {
		alter func([]byte) []byte
		want  error
	}{
		"outside":     {list([]string{"../evil"}, []byte{1}, 5), api.ErrBadName},
		"absolute":    {list([]string{"/evil"}, []byte{1}, 5), api.ErrBadName},
		"twice":       {list([]string{"a", "a"}, []byte{1, 1}, 2, 3), api.ErrBadName},
		"case":        {list([]string{"a/\u00c4pfel", "A/\u00e4PFEL"}, []byte{1, 1}, 2, 3), api.ErrBadName},
		"normal form": {list([]string{"caf\u00e9", "cafe\u0301"}, []byte{1, 1}, 2, 3), api.ErrBadName},
		"more":        {list([]string{"a"}, []byte{1}, 6), api.ErrBroken},
		"less":        {list([]string{"a"}, []byte{1}, 4), api.ErrBroken},
		"overflow":    {list([]string{"a", "b"}, []byte{1, 1}, math.MaxUint64, 6), api.ErrBroken},
		"kinds":       {list([]string{"a", "b"}, []byte{1}, 2, 3), api.ErrBroken},
		"kind":        {list([]string{"a"}, []byte{4}, 5), api.ErrBroken},
		"folder":      {list([]string{"a"}, []byte{3}, 5), api.ErrBroken},
		"in a file":   {list([]string{"a", "a/b"}, []byte{1, 1}, 5, 0), api.ErrOccupied},
	} {
		into := filepath.Join(t.TempDir(), "into")
		bubble(t, func(t *testing.T, ctx context.Context, from, to *side) {
			from.alter = c.alter
			sent := from.send(ctx, t, filepath.Join(source, name))
			expect(t, what, to.receive(ctx, t, into, true), c.want)
			<-sent
		})
		if got := read(t, filepath.Dir(into)); len(got) > 1 && what != "in a file" {
			t.Errorf("%s: there is %v", what, got)
		}
	}
}

// TestLinks checks that no link in the folder leads out of it.
func TestLinks(t *testing.T) {
	source, outside := write(t, map[string]string{"a/file": "evil"}), write(t, map[string]string{"file": "good", "victim": "good"})
	for _, link := range []string{"a", "a/file", "a/file" + partialSuffix} {
		into := t.TempDir()
		target := outside
		if link != "a" {
			os.Mkdir(filepath.Join(into, "a"), 0o755)
			target = filepath.Join(outside, "victim")
		}
		if err := os.Symlink(target, filepath.Join(into, link)); err != nil {
			t.Fatal(err)
		}
		bubble(t, func(t *testing.T, ctx context.Context, from, to *side) {
			sent := from.send(ctx, t, filepath.Join(source, "a"))
			if err := to.receive(ctx, t, into, false); err == nil {
				t.Errorf("%s: nothing is said of a link out of the folder", link)
			}
			<-sent
		})
		same(t, read(t, outside), map[string]string{"file": "good", "victim": "good"})
	}
}

// TestAltered checks that what is altered on its way does not count, and is mended.
func TestAltered(t *testing.T) {
	content := random(3 << 20)
	source, into := write(t, map[string]string{"file": content}), t.TempDir()
	for _, alters := range []bool{true, false} {
		bubble(t, func(t *testing.T, ctx context.Context, from, to *side) {
			n, want := 0, error(nil)
			if alters {
				want = api.ErrChanged
				from.alter = func(frame []byte) []byte {
					if n++; n == 100 {
						frame[len(frame)-1] ^= 1
					}
					return frame
				}
			}
			sent := from.send(ctx, t, filepath.Join(source, "file"))
			expect(t, "receive", to.receive(ctx, t, into, false), want)
			expect(t, "send", <-sent, want)
		})
	}
	same(t, read(t, into), map[string]string{"file": content})
}

// TestLiars checks that a receiver which asks for what is not there, or has what it was not
// sent, ends the transfer.
func TestLiars(t *testing.T) {
	source := write(t, map[string]string{"a/file": "12345"})
	for what, m := range map[string]oncefiles.Message{
		"done":     &oncefiles.End{Verdict: complete},
		"file":     &oncefiles.Read{File: 3},
		"folder":   &oncefiles.Read{File: 1},
		"after":    &oncefiles.Read{File: 2, Offset: 5, Length: 1},
		"overflow": &oncefiles.Read{File: 2, Offset: math.MaxUint64, Length: 6},
		"large":    &oncefiles.Read{File: 2, Length: oncefiles.MaxDataContent + 1},
		"piece":    &oncefiles.Read{File: 2, Offset: 1, Length: oncefiles.MaxPiece, Piece: 1},
		"nothing":  &oncefiles.Read{File: 2},
	} {
		bubble(t, func(t *testing.T, ctx context.Context, from, to *side) {
			sent := from.send(ctx, t, filepath.Join(source, "a"))
			offer, err := to.NextOffer(ctx)
			if err != nil {
				t.Fatal(err)
			}
			switch m := m.(type) {
			case *oncefiles.End:
				m.Transfer = offer.number
			case *oncefiles.Read:
				m.Transfer = offer.number
			}
			if err := offer.say(ctx, m); err != nil {
				t.Fatal(err)
			}
			expect(t, what, <-sent, api.ErrBroken)
		})
	}
}

// TestChatter checks that a sender which says nothing of use is not waited for for ever.
func TestChatter(t *testing.T) {
	source := write(t, map[string]string{"file": random(1 << 20)})
	bubble(t, func(t *testing.T, ctx context.Context, from, to *side) {
		from.alter = func(frame []byte) []byte {
			var data oncefiles.Data
			if data.Decode(frame, nil) == nil && data.Offset > 0 {
				data.File = 7
				frame, _ = data.AppendTo(nil)
			}
			return frame
		}
		sent := from.send(ctx, t, filepath.Join(source, "file"))
		began := time.Now()
		expect(t, "receive", to.receive(ctx, t, t.TempDir(), false), api.ErrStalled)
		if took := time.Since(began); took > 2*silence {
			t.Errorf("the receiver gives up after %v", took)
		}
		<-sent
	})
}

// TestWaitingOffersAreSmall has a peer whose offers wait say as much as it can: little of
// that is kept.
func TestWaitingOffersAreSmall(t *testing.T) {
	f, _ := New(nil)
	peer := uuid.New()
	for number := range uint64(oncefiles.MaxOffered) {
		offer, err := (&oncefiles.Offer{Transfer: number, Files: 1, Listing: 100}).AppendTo(nil)
		if err != nil {
			t.Fatal(err)
		}
		end, err := (&oncefiles.End{Transfer: number, Verdict: complete}).AppendTo(nil)
		if err != nil {
			t.Fatal(err)
		}
		f.Take(peer, [][]byte{offer})
		f.Take(peer, [][]byte{append(end, make([]byte, oncefiles.MaxEnd)...)})
		for range oncefiles.MaxQueued {
			f.Take(peer, [][]byte{end})
		}
	}
	words, octets := 0, 0
	for _, transfer := range f.transfers {
		for words += len(transfer.words); len(transfer.words) > 0; {
			octets += len(<-transfer.words)
		}
	}
	if words != oncefiles.MaxOffered || octets > oncefiles.MaxOffered*oncefiles.MaxEnd {
		t.Errorf("%d words of %d octets are kept", words, octets)
	}
}

// stuck is a node whose peers take nothing.
type stuck struct{}

func (stuck) Whisper(ctx context.Context, _ uuid.UUID, _ [][]byte) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestRefuseDoesNotWait refuses what a peer offers that takes nothing, not even that.
func TestRefuseDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := New(stuck{})
		offer, err := (&oncefiles.Offer{Files: 1}).AppendTo(nil)
		if err != nil {
			t.Fatal(err)
		}
		f.Take(uuid.New(), [][]byte{offer})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		transfer, err := f.NextOffer(ctx)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := transfer.Refuse(ctx, "no"); err == nil || time.Since(began) > farewell || len(f.transfers) > 0 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}
