package files_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/once"
	"github.com/sjohnr/at-once/bindings/go/once/files"
	"github.com/sjohnr/at-once/bindings/go/once/oncetest"
)

// fails has an error be what is wanted.
func fails(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
}

// TestNothing calls what is nil or zero.
func TestNothing(t *testing.T) {
	ctx := t.Context()
	for _, f := range []*files.Files{nil, new(files.Files)} {
		_, err := f.NextOffer(ctx)
		fails(t, "NextOffer", err, once.ErrNothing)
		for range f.Events(ctx) {
			t.Error("there is an event")
		}
		if f.Take(new(once.Whisper)) || f.Counts() != nil {
			t.Error("nothing has taken something")
		}
		fails(t, "Add", f.Offer(uuid.New()).Add("."), once.ErrNothing)
	}
	for _, tr := range []*files.Transfer{nil, new(files.Transfer)} {
		fails(t, "Add", tr.Add("."), once.ErrNothing)
		fails(t, "Send", tr.Send(ctx), once.ErrNothing)
		fails(t, "Receive", tr.Receive(ctx, ".", false), once.ErrNothing)
		fails(t, "Refuse", tr.Refuse(ctx, ""), once.ErrNothing)
		if tr.Peer() != uuid.Nil || tr.Title() != "" || tr.Files() != 0 || tr.Octets() != 0 || tr.OctetsDone() != 0 || tr.LeftOut() != nil {
			t.Error("nothing has something")
		}
	}
	var none context.Context
	all := func(*files.Transfer) bool { return true }
	fails(t, "files of no node", files.Receive(ctx, nil, ".", all), once.ErrNotRunning)
	fails(t, "Receive without context", files.Receive(none, nil, ".", all), once.ErrArgument)
	fails(t, "Receive without function", files.Receive(ctx, nil, ".", nil), once.ErrArgument)
	fails(t, "Send without context", files.Send(none, nil, uuid.New(), "files.go"), once.ErrArgument)
	fails(t, "the folder that the program is in, unasked", files.New(nil).Offer(uuid.New()).Add(""), once.ErrArgument)
}

// TestReceiveEndsWithNode has a program wait for files until its node ends.
func TestReceiveEndsWithNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node, err := once.Start(oncetest.New(t, 1).Host("10.0.0.1").Context(), once.Config{})
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Minute, func() { _ = node.Close() })
		fails(t, "Receive", files.Receive(t.Context(), node, t.TempDir(), nobody), once.ErrStopped)
	})
}

func nobody(*files.Transfer) bool { return false }

// TestSentAgain sends a transfer again when its receiver is back that was gone, and has it
// sent and received only as it is meant.
func TestSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := oncetest.New(t, 1)
		network.SetLine(oncetest.Line{Delay: time.Millisecond, Rate: 1 << 20})
		ana := start(t, network.Host("10.0.0.1").Context(), once.Config{Name: "ana"})
		defer ana.node.Close()
		who, err := once.OpenIdentity("")
		if err != nil {
			t.Fatal(err)
		}
		host, into, path := network.Host("10.0.0.2"), t.TempDir(), file(t, 4<<20)
		receive := func(ctx context.Context) error {
			ben := start(t, ctx, once.Config{Name: "ben", Identity: who})
			offer, err := ben.NextOffer(ctx)
			if err != nil {
				return err
			}
			fails(t, "Add what was offered", offer.Add(path), once.ErrArgument)
			fails(t, "Send what was offered", offer.Send(ctx), once.ErrArgument)
			err = offer.Receive(ctx, into, false)
			fails(t, "Receive again", offer.Receive(ctx, into, false), once.ErrArgument)
			fails(t, "Refuse what was received", offer.Refuse(ctx, ""), once.ErrArgument)
			<-ctx.Done()
			return err
		}
		host.Go(receive)
		<-ana.came
		sent := ana.Offer(who.UUID())
		if err := sent.Add(path); err != nil {
			t.Fatal(err)
		}
		fails(t, "Add it twice", sent.Add(path), files.ErrBadName)
		fails(t, "Receive what is sent", sent.Receive(t.Context(), into, false), once.ErrArgument)
		fails(t, "Refuse what is sent", sent.Refuse(t.Context(), ""), once.ErrArgument)
		time.AfterFunc(time.Second, func() {
			fails(t, "Send it twice at a time", sent.Send(t.Context()), once.ErrArgument)
			go host.Crash()
		})
		fails(t, "Send to who crashes", sent.Send(t.Context()), files.ErrGone)
		host.Restart()
		host.Go(receive)
		<-ana.came
		if err := sent.Send(t.Context()); err != nil {
			t.Errorf("to send it again: %v", err)
		}
		if info, err := os.Stat(filepath.Join(into, "file")); err != nil || info.Size() != 4<<20 || sent.Title() != "file" {
			t.Errorf("%s has arrived: %v, %v", sent.Title(), info, err)
		}
	})
}
