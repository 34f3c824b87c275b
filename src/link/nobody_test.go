package link

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/src/zmtp"
)

// TestNobody has a link say something to nobody, who has said something before.
func TestNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		words := append(zmtp.AppendHeader(nil, 2, false), "hi"...)
		conn := ToNobody(append([]byte(nil), words...))
		l, err := Open(t.Context(), conn, Config{Type: zmtp.Dealer})
		if err != nil {
			t.Fatal(err)
		}
		heard, over := make(chan string, 1), make(chan error)
		go func() {
			over <- l.Serve(func(b *Batch) error {
				defer b.Release()
				heard <- string(b.Message(0)[0])
				return nil
			})
		}()
		if got := <-heard; got != "hi" {
			t.Errorf("it hears %q", got)
		}
		say := func() {
			if err := l.Say(words); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		say()
		say()
		if said := conn.Take(); string(said) != string(words)+string(words) {
			t.Errorf("it has said %q", said)
		}
		say()
		if said := conn.Take(); len(said) > 0 {
			t.Errorf("%q is kept", said)
		}
		time.Sleep(time.Hour) // nobody is asked for signs of life
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if err := <-over; !errors.Is(err, ErrClosed) {
			t.Errorf("it ends with %v", err)
		}
	})
	conn := ToNobody(nil)
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 9)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it reads %d octets, %v", n, err)
	}
}
