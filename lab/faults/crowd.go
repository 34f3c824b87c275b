//go:build linux

package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// crowded is how many start at the same moment.
const crowded = 16

// crowd has many start at the same moment, who have one server, and waits until all see all.
func crowd(ctx context.Context, s setting, plan plan, r *row) error {
	s.nodes, s.mode = crowded, once.SecuritySecure
	r.what = fmt.Sprintf("%v, a crowd", s)
	return perform(ctx, s, r, func(p *play) error {
		h, err := p.host("yes")
		if err != nil {
			return err
		}
		var work sync.WaitGroup
		faults := make([]error, crowded)
		for i := range crowded {
			work.Go(func() { faults[i] = p.join(i, 0, h.address) })
		}
		work.Wait()
		for _, fault := range faults {
			if fault != nil {
				return fault
			}
		}
		begun := time.Now()
		if err := p.present(); err != nil {
			return err
		}
		p.tell("all see all %v after all have started", time.Since(begun).Round(time.Millisecond))
		if err := p.goOn(100 * crowded); err != nil {
			return err
		}
		return p.count(r)
	})
}
