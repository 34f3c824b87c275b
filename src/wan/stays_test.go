package wan

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/client"
)

// secrets returns the SECRETs of those with whom the node stays.
func (a *Access) secrets() (list []byte) {
	for _, s := range a.stays.all() {
		list = append(list, s.Address.Secret[0])
	}
	return list
}

// TestStay has a node go from one network at a server to another, before it runs, while it does,
// and when it does no more: it enters the new one at once, and leaves the old one when a lease is
// over.
func TestStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := listen(t)
		at := func(secrets ...byte) (list []rendezvous.Address) {
			for _, secret := range secrets {
				list = append(list, rendezvous.Address{Hosts: []string{"10.0.0.9:5671"}, Key: [32]byte{1}, Secret: rendezvous.Secret{secret}})
			}
			return list
		}
		stays := func(want ...byte) {
			t.Helper()
			if got := a.secrets(); !slices.Equal(got, want) {
				t.Errorf("it stays under %v, want %v", got, want)
			}
		}
		enters := func(want int, secrets ...byte) {
			t.Helper()
			if entered := a.Stay(at(secrets...)); len(entered) != want {
				t.Errorf("it enters %d, want %d", len(entered), want)
			}
		}
		enters(0, 2)
		enters(1, 3)
		stays(2, 3)
		ctx, stop := context.WithCancel(t.Context())
		over := make(chan struct{})
		go func() {
			defer close(over)
			a.Run(ctx, Node{Sighted: func([]uuid.UUID) []uuid.UUID { return nil }, Told: func(string, bool) {}})
		}()
		time.Sleep(oncemsg.MaxLease*time.Millisecond - time.Second)
		stays(2, 3)
		enters(2, 4, 5, 4)
		enters(0, 5, 4)
		stays(2, 3, 4, 5)
		time.Sleep(2 * time.Second)
		stays(3, 4, 5)
		if states := a.States(); len(states) != 1 {
			t.Errorf("%d servers", len(states))
		}
		time.Sleep(oncemsg.MaxLease * time.Millisecond)
		stays(4, 5)
		enters(1, 6)
		stop()
		<-over
		enters(0, 7)
		stays(4, 5, 6)
	})
}

// late dials until it is to end, and for a second more.
type late struct {
	link.Transport
	dials *atomic.Int32
}

func (l late) Dial(ctx context.Context, _ string) (net.Conn, error) {
	l.dials.Add(1)
	defer l.dials.Add(-1)
	<-ctx.Done()
	time.Sleep(time.Second)
	return nil, ctx.Err()
}

// TestParted: what a stay has said is forgotten when it says nothing any more.
func TestParted(t *testing.T) {
	own, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var dials atomic.Int32
		parted := 0
		s := newStays([]rendezvous.Address{{Hosts: []string{"10.0.0.9:5671"}}}, func(_ *stay, address rendezvous.Address) *client.Client {
			return client.New(client.Config{
				Address: address, Identity: own, Transport: late{nil, &dials}, Log: slog.New(slog.DiscardHandler), Random: func(string) float64 { return 0 },
			})
		}, func(*stay) {
			if parted++; dials.Load() > 0 {
				t.Error("it goes on, and may say more")
			}
		})
		ctx, stop := context.WithCancel(t.Context())
		s.run(ctx, nil)
		s.change(nil)
		time.Sleep(oncemsg.MaxLease*time.Millisecond + time.Minute)
		synctest.Wait()
		if parted != 1 || len(s.all()) != 0 {
			t.Errorf("%d are parted from, and there are %d", parted, len(s.all()))
		}
		stop()
		s.close()
	})
}
