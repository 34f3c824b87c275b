package wan

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/client"
	"github.com/sjohnr/at-once/src/sight"
)

// stays are those of a node. All methods may be called from any goroutine.
type stays struct {
	client func(*stay, rendezvous.Address) *client.Client // returns what is with a server
	parted func(*stay)                                    // is told of each that has ended, and says nothing any more, but for those that end with all
	work   sync.WaitGroup

	mu    sync.Mutex  // guards what follows; nothing else is locked under it
	with  servers     // replaced as a whole
	begin func(*stay) // has the node be with one; nil before it runs
	over  bool        // it runs no more
}

// newStays returns stays with servers, which run begins.
func newStays(list []rendezvous.Address, client func(*stay, rendezvous.Address) *client.Client, parted func(*stay)) *stays {
	s := &stays{client: client, parted: parted}
	for _, address := range list {
		s.with = append(s.with, s.at(address))
	}
	return s
}

func (s *stays) at(address rendezvous.Address) *stay {
	one := &stay{text: address.String(), leaves: make(chan struct{})}
	one.Client = s.client(one, address)
	return one
}

// all returns those with whom the node stays, whom it is about to leave first.
func (s *stays) all() servers {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.with
}

// run has the node be with all servers, and with those that change names from then on, until
// ctx ends. Close must follow that.
func (s *stays) run(ctx context.Context, look func([]sight.Sighting)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin = func(one *stay) {
		within, leave := context.WithCancel(ctx)
		s.work.Go(func() {
			_ = one.Run(within, sight.Announcement{}, look) // which ends with that only
			if ctx.Err() == nil {
				s.parted(one)
			}
		})
		s.work.Go(func() {
			defer leave()
			select {
			case <-ctx.Done():
			case <-one.leaves:
				s.part(ctx, one)
			}
		})
	}
	for _, one := range s.with {
		s.begin(one)
	}
}

// close has the node be with no more servers than it is, and waits until it is with none.
func (s *stays) close() {
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	s.work.Wait()
}

// change has the node be with some servers, leave the others that it is with when a lease is
// over, and returns those that are new.
func (s *stays) change(list []rendezvous.Address) (entered []rendezvous.Address) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil
	}
	named := map[string]bool{}
	for _, address := range list {
		named[address.String()] = true
	}
	with := slices.Clone(s.with)
	for _, one := range s.with {
		if !named[one.text] && !one.leaving {
			one.leaving = true
			close(one.leaves)
		}
	}
	for _, address := range list {
		text := address.String()
		if slices.ContainsFunc(with, func(one *stay) bool { return one.text == text && !one.leaving }) {
			continue
		}
		one := s.at(address)
		if with, entered = append(with, one), append(entered, address); s.begin != nil {
			s.begin(one)
		}
	}
	s.with = with
	return entered
}

// part waits until the node may leave a server, and has it be with that no more.
func (s *stays) part(ctx context.Context, one *stay) {
	wait := time.NewTimer(oncemsg.MaxLease * time.Millisecond)
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return
	case <-wait.C:
	}
	s.mu.Lock()
	s.with = slices.DeleteFunc(slices.Clone(s.with), func(other *stay) bool { return other == one })
	s.mu.Unlock()
}
