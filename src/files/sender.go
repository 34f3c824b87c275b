package files

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncefiles"
	"github.com/sjohnr/at-once/src/check"
)

// sender answers what the receiver of a transfer asks.
type sender struct {
	*Transfer
	listing []byte
	ended   map[int]bool // the files whose end was sent
	number  int          // of the file that is read
	file    *os.File     // nil if none is, or it is the listing
}

// longestPause is the longest time between two offers.
const longestPause = 30 * time.Second

// Send offers what was added, and sends it when the peer takes it. One that has failed can
// be sent again.
func (t *Transfer) Send(ctx context.Context) error {
	if err := cmp.Or(check.Context("Send", ctx), check.Given("Send", "transfer", !t.incoming, toSend)); err != nil {
		return err
	}
	if t.count == 0 {
		return errors.New("there is nothing to send: add files first")
	}
	listing, err := t.tree.listing()
	if err != nil {
		return err
	}
	if err := t.begin(); err != nil {
		return err
	}
	t.entries[0].octets = uint64(len(listing))
	s := &sender{Transfer: t, listing: listing, ended: map[int]bool{}}
	err = s.run(ctx)
	s.file.Close() // if one is open; it was only read
	return t.leave(err)
}

// begin lets the other side be heard. What it says of an earlier try does not count.
func (t *Transfer) begin() error {
	t.files.mu.Lock()
	defer t.files.mu.Unlock()
	if err := check.Given("Send", "transfer", !t.sends, "one that is not being sent"); err != nil {
		return err
	}
	if t.runs {
		t.number, t.words = newNumber(), make(chan []byte, cap(t.words))
		t.done.Store(0)
	}
	t.files.transfers[t.key], t.runs, t.sends = t, true, true
	return nil
}

func (s *sender) run(ctx context.Context) error {
	offer := &oncefiles.Offer{Transfer: s.Transfer.number, Files: uint32(s.count), Octets: s.octets, Listing: uint32(len(s.listing)), Title: s.title}
	err := s.say(ctx, offer)
	began := time.Now()
	for wait, isTaken := time.Second, false; err == nil; {
		var m oncefiles.Message
		m, err = s.hear(ctx, wait)
		switch {
		case err == errQuiet && isTaken:
			return api.ErrStalled
		case err == errQuiet && time.Since(began) > answer:
			return api.ErrUnanswered
		case err == errQuiet:
			wait = min(2*wait, longestPause)
			err = s.say(ctx, offer)
		case err == nil:
			wait, isTaken = silence, true
			switch m := m.(type) {
			case *oncefiles.Read:
				err = s.answer(ctx, m)
			case *oncefiles.End:
				return s.finish(ctx)
			}
		}
	}
	return err
}

// finish ends a transfer of which the receiver says that it has all. That can be so if it
// was sent the end of each file.
func (s *sender) finish(ctx context.Context) error {
	for i, e := range s.entries {
		if e.octets > 0 && !s.ended[i] {
			return fmt.Errorf("%w: it says that it has what it was not sent", api.ErrBroken)
		}
	}
	s.done.Store(s.octets)
	if s.end(ctx, nil) != nil { // it has all, whether it hears that or not
		s.files.count("untold")
	}
	return nil
}

// answer sends octets of a file, and the hash of a piece with its end.
func (s *sender) answer(ctx context.Context, m *oncefiles.Read) (err error) {
	n, end := int(m.File), m.Offset+uint64(m.Length)
	if n >= len(s.entries) || end < m.Offset || end > s.entries[n].octets || m.Length == 0 || m.Piece == 0 && m.Length > oncefiles.MaxDataContent {
		return fmt.Errorf("%w: it asks for what was not offered", api.ErrBroken)
	}
	if err := s.open(n); err != nil {
		return err
	}
	data := &oncefiles.Data{Transfer: s.Transfer.number, Round: m.Round, File: m.File, Offset: m.Offset}
	if m.Piece == 0 {
		data.Content, err = s.load(m.Offset, end)
	}
	if isEnd := end == s.entries[n].octets; err == nil && (isEnd || end%oncefiles.MaxPiece == 0) {
		var piece []byte
		piece, err = s.load((end-1)/oncefiles.MaxPiece*oncefiles.MaxPiece, end)
		sum := sha256.Sum256(piece)
		data.Digest = sum[:]
		s.ended[n] = s.ended[n] || isEnd
	}
	if err != nil {
		return err
	}
	if n > 0 {
		s.done.Store(max(s.done.Load(), s.entries[n].before+m.Offset))
	}
	return s.say(ctx, data)
}

// open makes a file the one that is read.
func (s *sender) open(n int) (err error) {
	if s.number == n {
		return nil
	}
	s.file.Close()
	if s.file, s.number = nil, n; n > 0 {
		s.file, err = os.Open(s.entries[n].source)
	}
	return err
}

// load reads a part of the file, which must be what was added.
func (s *sender) load(from, to uint64) ([]byte, error) {
	if s.file == nil {
		return s.listing[from:to], nil
	}
	e := s.entries[s.number]
	now, err := s.file.Stat()
	if err == nil && (!os.SameFile(now, e.info) || now.Size() != e.info.Size() || !now.ModTime().Equal(e.info.ModTime())) {
		err = fmt.Errorf("%w: %s", api.ErrChanged, e.path)
	}
	content := make([]byte, to-from)
	if err == nil {
		_, err = s.file.ReadAt(content, int64(from))
	}
	return content, err
}
