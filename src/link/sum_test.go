package link

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// together returns outboxes that count in one sum, and that nothing is taken from.
func together(sum *Sum, outbox, count int) []*Outbox {
	all := make([]*Outbox, count)
	for i := range all {
		all[i] = NewOutbox(Config{Outbox: outbox, Reserve: 1 << 20, Sum: sum})
	}
	return all
}

// puts puts messages of so many octets into an outbox while there is room, and returns how
// many octets have found some.
func puts(t *testing.T, o *Outbox, octets int) (held int) {
	t.Helper()
	for held < 1<<30 {
		_, err := o.TryReserve(octets)
		if errors.Is(err, ErrWouldBlock) {
			return held
		}
		if err != nil {
			t.Fatal(err)
		}
		o.Commit()
		held += octets
	}
	t.Fatal("there is no end of room")
	return 0
}

// TestSumBounds fills outboxes one after the other: together they have no more than their
// sum, each leaves as much as it has, and so there is room in the last of many.
func TestSumBounds(t *testing.T) {
	const most = 8 << 20
	sum := NewSum(most, most)
	all := together(sum, 1<<30, 10)
	for i, o := range all {
		before := most - sum.Used()
		if held := puts(t, o, 1000); before > most/64 && held < before/4 || held > before/2+smallBuffer {
			t.Errorf("outbox %d has %d octets of %d", i, held, before)
		}
	}
	if sum.Used() > most {
		t.Errorf("%d octets are used, %d may be", sum.Used(), most)
	}
	late := together(sum, 1<<30, 2)
	if held := puts(t, late[0], 100); held == 0 || held > smallBuffer {
		t.Errorf("where there is no room, %d octets have found some", held)
	}
	for _, o := range append(all, late...) {
		o.Discard()
	}
	if sum.Used() != 0 {
		t.Errorf("%d octets are used by nobody", sum.Used())
	}
}

// TestSumOneAlone lets one message in at a time that there is no room for, however large, and
// others when that is gone.
func TestSumOneAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sum := NewSum(1<<20, 1<<20)
		all := together(sum, 16<<20, 3)
		for _, o := range all[:2] {
			_, err := o.TryReserve(4 << 20)
			if first := o == all[0]; first && err != nil || !first && !errors.Is(err, ErrWouldBlock) {
				t.Fatalf("alone %v: %v", first, err)
			} else if first {
				o.Commit()
			}
		}
		in := make(chan error)
		go func() {
			_, err := all[1].Reserve(t.Context(), 4<<20)
			all[1].Commit()
			in <- err
		}()
		synctest.Wait()
		select {
		case err := <-in:
			t.Fatalf("it did not wait: %v", err)
		default:
		}
		all[0].Discard()
		if err := <-in; err != nil {
			t.Error(err)
		}
	})
}

// TestSumWaits has who finds no room wait until another outbox gives some back, and be let in
// however many others wait.
func TestSumWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sum := NewSum(1<<20, 1<<20)
		all := together(sum, 16<<20, 12)
		for _, o := range all {
			puts(t, o, 1000)
		}
		let := make(chan int, len(all))
		for i, o := range all[1:] {
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if _, err := o.Reserve(ctx, 1000); err != nil {
					t.Errorf("outbox %d: %v", i, err)
					return
				}
				o.Commit()
				let <- i
			}()
		}
		synctest.Wait()
		if len(let) > 0 {
			t.Fatalf("%d have not waited", len(let))
		}
		all[0].Discard()
		synctest.Wait()
		if len(let) < len(all)/2 {
			t.Errorf("%d of %d have found room", len(let), len(all)-1)
		}
		for _, o := range all[1:6] {
			o.Discard()
			synctest.Wait()
		}
	})
}

// TestSumInDoubt counts what outboxes in doubt have apart, whatever becomes of them.
func TestSumInDoubt(t *testing.T) {
	sum := NewSum(8<<20, 1<<20)
	all := together(sum, 16<<20, 2)
	put := func(o *Outbox, octets int) {
		t.Helper()
		if _, err := o.TryReserve(octets); err != nil {
			t.Fatal(err)
		}
		o.Commit()
	}
	var got []bool
	look := func() { got = append(got, sum.Strained()) }
	put(all[0], 900<<10)
	all[0].Doubt(true)
	look()
	put(all[1], 900<<10)
	look()
	put(all[0], 300<<10)
	look()
	all[0].Doubt(false)
	look()
	all[1].Doubt(true)
	all[0].Doubt(true)
	look()
	all[0].Retire()
	look()
	all[1].Discard()
	all[0].Discard()
	if want := []bool{false, false, true, false, true, false}; !slices.Equal(got, want) {
		t.Errorf("strained %v, want %v", got, want)
	}
	if sum.doubted.Load() != 0 || sum.Used() != 0 {
		t.Errorf("%d octets are in doubt, %d used", sum.doubted.Load(), sum.Used())
	}
}

// TestRetire keeps what is in an outbox that has ended until it is let go of, piece by piece.
func TestRetire(t *testing.T) {
	sum := NewSum(8<<20, 1<<20)
	o := together(sum, 16<<20, 1)[0]
	for i := range 100 {
		b, err := o.TryReserve(10 << 10)
		if err != nil {
			t.Fatal(err)
		}
		b[0] = byte(i)
		o.Commit()
	}
	o.Retire()
	if _, err := o.TryReserve(1); !errors.Is(err, ErrClosed) {
		t.Errorf("it takes more: %v", err)
	}
	if err := o.Flush(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("Flush: %v", err)
	}
	used := sum.Used()
	for seen := 0; seen < 100; {
		var end uint64
		o.Unacknowledged(func(at uint64, b []byte) bool {
			for ; len(b) > 0; b = b[10<<10:] {
				if b[0] != byte(seen) {
					t.Fatalf("piece %d is %d", seen, b[0])
				}
				seen++
				at += 10 << 10
			}
			end = at
			return false
		})
		if err := o.Acknowledge(end); err != nil {
			t.Fatal(err)
		}
		if now := sum.Used(); now >= used {
			t.Fatalf("%d octets are used after %d pieces, %d before", now, seen, used)
		} else {
			used = now
		}
	}
	if used != 0 {
		t.Errorf("%d octets are used", used)
	}
}
