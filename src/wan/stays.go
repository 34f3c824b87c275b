package wan

import (
	"context"
	"slices"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/client"
	"github.com/sjohnr/at-once/src/sight"
)

// stay is the node's stay with one server, in one network there.
type stay struct {
	*client.Client
	text   string        // of the address, which is a secret
	leaves chan struct{} // closed when it is to end

	leaving bool // it is; guarded as the list is
}

func (a *Access) stay(address rendezvous.Address) *stay {
	s := &stay{text: address.String(), leaves: make(chan struct{})}
	s.Client = a.client(s, address)
	return s
}

// clients returns those with whom the node stays, whom it is about to leave first.
func (a *Access) clients() []*stay {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.with
}

// enter has the node be with all servers, and with those that Stay names from then on, until
// ctx ends.
func (a *Access) enter(ctx context.Context, look func([]sight.Sighting)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.begin = func(s *stay) {
		within, leave := context.WithCancel(ctx)
		a.work.Go(func() { _ = s.Run(within, sight.Announcement{}, look) }) // which ends with that only
		a.work.Go(func() {
			defer leave()
			select {
			case <-ctx.Done():
			case <-s.leaves:
				a.part(ctx, s)
			}
		})
	}
	for _, s := range a.with {
		a.begin(s)
	}
}

// close has the node be with no more servers than it is.
func (a *Access) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
}

// Stay has the node be with some servers, and leave the others that it is with, and returns
// those that are new. It is there under an old SECRET for as long as a lease lasts: who does
// not have the new one yet is met there, and told.
func (a *Access) Stay(list []rendezvous.Address) (entered []rendezvous.Address) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over {
		return nil
	}
	named := map[string]bool{}
	for _, address := range list {
		named[address.String()] = true
	}
	with := slices.Clone(a.with)
	for _, s := range a.with {
		if !named[s.text] && !s.leaving {
			s.leaving = true
			close(s.leaves)
		}
	}
	for _, address := range list {
		text := address.String()
		if slices.ContainsFunc(with, func(s *stay) bool { return s.text == text && !s.leaving }) {
			continue
		}
		s := a.stay(address)
		if with, entered = append(with, s), append(entered, address); a.begin != nil {
			a.begin(s)
		}
	}
	a.with = with
	return entered
}

// part waits until the node may leave a server, and has it be with that no more.
func (a *Access) part(ctx context.Context, s *stay) {
	wait := time.NewTimer(oncemsg.MaxLease * time.Millisecond)
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return
	case <-wait.C:
	}
	a.mu.Lock()
	a.with = slices.DeleteFunc(slices.Clone(a.with), func(other *stay) bool { return other == s })
	a.mu.Unlock()
	a.at.Put(s, "")
	signal(a.changed)
	signal(a.turned)
}
