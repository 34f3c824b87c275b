package wan

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/src/rendezvous"
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
