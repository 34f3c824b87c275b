package files

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncefiles"
	"github.com/sjohnr/at-once/src/check"
	"github.com/sjohnr/at-once/src/lock"
)

// receiver asks the sender of a transfer for what it lacks.
type receiver struct {
	*Transfer
	folder folder
	part   *part    // what is there of the file that is fetched
	asked  []asking // what is under way, in the order in which it comes
	next   asking   // what to ask for next
	round  uint32   // of what is under way
	window window
	useful time.Time     // when the sender has last said something of use
	pause  time.Duration // how long to wait for more
}

// asking is a part of a file that was asked for, or a piece whose hash was.
type asking struct {
	file    int
	offset  uint64
	length  uint64
	isPiece bool
	since   time.Time
}

// Receive takes the files, and puts them into a folder, which is made if it is missing.
func (t *Transfer) Receive(ctx context.Context, into string, overwrite bool) error {
	if err := cmp.Or(check.Context("Receive", ctx), check.Text("Receive", "into", into, 1, maxPath)); err != nil {
		return err
	}
	if err := t.take("Receive"); err != nil {
		return err
	}
	r := &receiver{Transfer: t, useful: time.Now(), pause: quiet}
	err := r.folder.open(into, overwrite)
	if err == nil {
		err = errors.Join(r.run(ctx), r.folder.root.Close())
	}
	return t.leave(err)
}

func (r *receiver) run(ctx context.Context) error {
	listing := &part{sum: sha256.New()}
	if err := r.fetch(ctx, 0, listing); err != nil {
		return err
	}
	if err := r.unpack(listing.memory); err != nil {
		return err
	}
	for n := 1; n <= r.count; n++ {
		e := r.entries[n]
		err := r.folder.make(e)
		if err == nil && e.kind != kindFolder {
			err = r.bring(ctx, n, e)
		}
		if isFull(err) {
			return fmt.Errorf("%w: %s", api.ErrNoRoom, e.path)
		} else if err != nil {
			return err
		}
	}
	if err := r.folder.sync(); err != nil {
		return err
	}
	r.confirm(ctx)
	return nil
}

// bring has a file on the disk. One that is there already is left as it is if it is the same.
func (r *receiver) bring(ctx context.Context, n int, e entry) error {
	p, err := r.folder.partial(e)
	for ; errors.Is(err, lock.ErrTaken); p, err = r.folder.partial(e) {
		if _, err := r.hear(ctx, busyPause); err != nil && err != errQuiet {
			return err
		}
		if time.Since(r.useful) > silence {
			return api.ErrStalled
		}
	}
	if err != nil {
		return err
	}
	isThere, err := r.find(ctx, n, e)
	if err == nil && !isThere {
		err = r.fetch(ctx, n, p)
	}
	if err == nil && !isThere {
		err = r.folder.place(p, e)
	} else if isThere || p.size == 0 && p.there == 0 {
		err = errors.Join(err, r.folder.root.Remove(e.path+partialSuffix))
	}
	return errors.Join(err, p.file.Close())
}

// find tells whether a file is there already, and is the same.
func (r *receiver) find(ctx context.Context, n int, e entry) (isThere bool, err error) {
	p, err := r.folder.whole(e)
	if err == nil {
		err = errors.Join(r.fetch(ctx, n, p), p.file.Close())
	}
	switch {
	case errors.Is(err, errDiffers) && !r.folder.overwrite:
		return false, fmt.Errorf("%w: %s", api.ErrOccupied, e.path)
	case errors.Is(err, errDiffers), errors.Is(err, fs.ErrNotExist):
		return false, nil
	}
	return err == nil, err
}

// fetch brings what is there of a file to its end.
func (r *receiver) fetch(ctx context.Context, n int, p *part) error {
	r.part, r.useful = p, time.Now()
	first := r.next
	if len(r.asked) > 0 {
		first = r.asked[0]
	}
	isNext := first.file == n && first.offset == 0 && first.isPiece == p.whole
	if r.entries[n].octets > 0 && (!isNext || p.there > 0 && !p.whole) {
		r.rewind(n)
	}
	for p.size < r.entries[n].octets {
		if err := r.request(ctx, n); err != nil {
			return err
		}
		m, err := r.hear(ctx, time.Until(r.useful.Add(r.pause)))
		if data, ok := m.(*oncefiles.Data); err == nil && ok {
			err = r.take(n, data)
		}
		if err == errQuiet {
			r.pause *= 2
			r.rewind(n)
			err = nil
		}
		if err != nil {
			return err
		}
		if time.Since(r.useful) > silence {
			return api.ErrStalled
		}
	}
	return nil
}

// rewind forgets what is under way, and begins again behind what is there.
func (r *receiver) rewind(n int) {
	if len(r.asked) > 0 {
		r.files.count("asked anew")
		r.window = window{}
	}
	r.round++
	r.asked, r.next = r.asked[:0], asking{file: n, offset: r.part.size}
}

// request asks for as much as may be under way: of the file that is fetched, and of those
// after it up to one of which a part is there.
func (r *receiver) request(ctx context.Context, n int) error {
	for len(r.asked) < r.window.room() && r.next.file < len(r.entries) {
		e, a := r.entries[r.next.file], r.next
		if a.offset == e.octets {
			r.next = asking{file: a.file + 1}
			continue
		}
		there := r.part.there
		if a.file > n {
			var isKnown bool
			if there, isKnown = r.folder.there(e); !isKnown {
				return nil
			}
		}
		a.length, a.since = min(e.octets-a.offset, oncefiles.MaxDataContent), time.Now()
		read := &oncefiles.Read{Transfer: r.number, Round: r.round, File: uint32(a.file), Offset: a.offset}
		if piece := min(e.octets-a.offset, oncefiles.MaxPiece); a.offset+piece <= there {
			a.length, a.isPiece, read.Piece = piece, true, 1
		}
		read.Length = uint32(a.length)
		if err := r.say(ctx, read); err != nil {
			return err
		}
		r.asked = append(r.asked, a)
		r.next.offset += a.length
	}
	return nil
}

// take takes what has come, if it is what comes next. If it comes later, what is between
// was lost.
func (r *receiver) take(n int, data *oncefiles.Data) error {
	i := slices.IndexFunc(r.asked, func(a asking) bool {
		return a.file == int(data.File) && a.offset == data.Offset && (a.isPiece && len(data.Content) == 0 || a.length == uint64(len(data.Content)))
	})
	if i < 0 || i > 0 && data.Round != r.round {
		r.files.count("stray")
		return nil
	}
	if i > 0 {
		r.rewind(n)
		return nil
	}
	a, p := r.asked[0], r.part
	r.asked = append(r.asked[:0], r.asked[1:]...)
	took := time.Since(a.since)
	r.useful, r.pause = time.Now(), max(quiet, 3*took) // a line may be slow
	r.window.arrived(took)
	if err := p.add(data.Content, a.length); err != nil {
		return err
	}
	if p.size == r.entries[n].octets || p.size%oncefiles.MaxPiece == 0 {
		isSame := bytes.Equal(data.Digest, p.sum.Sum(nil))
		p.sum.Reset()
		switch {
		case !isSame && p.whole:
			return errDiffers
		case !isSame && a.isPiece:
			p.there, p.size = 0, a.offset
			r.rewind(n)
		case !isSame:
			return fmt.Errorf("%w: %s: what has arrived is not what was sent", api.ErrChanged, r.entries[n].path)
		}
	}
	if n > 0 {
		r.done.Store(r.entries[n].before + p.size)
	}
	return nil
}

// confirm tells the sender that all is there, until it knows, is gone, or does not answer:
// all is there, whether it knows or not.
func (r *receiver) confirm(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 3*quiet)
	defer cancel()
	for err := r.end(ctx, nil); err == nil; {
		var m oncefiles.Message
		if m, err = r.hear(ctx, quiet); err == errQuiet {
			err = r.end(ctx, nil)
		} else if _, isEnd := m.(*oncefiles.End); isEnd {
			return
		}
	}
}

// window is how many READs may be under way, so that their DATA waits for about delay in
// the queues between the two sides. It grows fast until something waits, and slowly then.
// The zero value begins.
type window struct {
	size   int           // 0 before the first has changed it
	least  time.Duration // the shortest that one took
	passed int           // how many came since the size has changed
	busy   bool          // something has waited
}

const (
	leastWindow = 2
	delay       = oncefiles.MaxDelay * time.Millisecond
)

// room returns how many may be under way.
func (w *window) room() int { return max(w.size, leastWindow) }

// arrived tells how long it took from a READ to its DATA.
func (w *window) arrived(took time.Duration) {
	if w.least == 0 || took < w.least {
		w.least = took
	}
	w.passed++
	isLate, isRound := took-w.least > delay, w.passed >= w.room()
	switch {
	case isLate && (isRound || !w.busy):
		w.resize(w.room() * 3 / 4)
		w.busy = true
	case !isLate && (isRound || !w.busy):
		w.resize(w.room() + 1)
	}
}

func (w *window) resize(size int) {
	w.size, w.passed = min(size, oncefiles.MaxWindow), 0
}

// unpack takes the entries that the other side lists, if they are what it has offered.
func (t *Transfer) unpack(listing []byte) error {
	var l oncefiles.Listing
	if err := l.Decode(listing, nil); err != nil {
		return fmt.Errorf("%w: %w", api.ErrBroken, err)
	}
	isRight := len(l.Paths) == t.count && len(l.Kinds) == t.count && len(l.Sizes) == 8*t.count
	for i := 0; isRight && i < t.count; i++ {
		e := entry{path: l.Paths[i], kind: l.Kinds[i], octets: binary.BigEndian.Uint64(l.Sizes[8*i:])}
		if isRight = e.kind >= kindFile && e.kind <= kindFolder && (e.kind != kindFolder || e.octets == 0) && e.octets <= t.octets-t.total; isRight {
			if err := t.add(e); err != nil {
				return err
			}
		}
	}
	if !isRight || t.total < t.octets {
		return fmt.Errorf("%w: it has other files than it has offered", api.ErrBroken)
	}
	return nil
}
