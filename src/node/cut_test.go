package node

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
)

// TestNothingIsLost has two nodes say much to each other while the links between them are
// cut again and again: all of it arrives once, and in order, and nobody is told that the
// other is gone.
func TestNothingIsLost(t *testing.T) {
	for seed := range uint64(8) {
		for _, security := range levels {
			t.Run(fmt.Sprint(seed, "/", security), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { cutOff(t, rand.New(rand.NewPCG(seed, 1)), security) })
			})
		}
	}
}

func cutOff(t *testing.T, chance *rand.Rand, security api.NodeSecurity) {
	const messages = 3000
	l := newLAN(t)
	nodes := [2]*actor{l.node("ana", with(security), in("room")), l.node("ben", with(security), in("room"))}
	for _, a := range nodes {
		defer a.Stop()
		a.next(time.Minute) // enter and join
		a.next(time.Minute)
	}
	var work, cuts sync.WaitGroup
	for i, a := range nodes {
		other, pause := nodes[1-i], time.Duration(chance.IntN(3000))*time.Microsecond
		work.Go(func() {
			for n := range uint64(messages) {
				content := [][]byte{binary.BigEndian.AppendUint64(nil, n), make([]byte, n*7919%5000)}
				if n%3 == 0 {
					if sent, err := a.Shout(t.Context(), "room", content); sent != 1 || err != nil {
						t.Errorf("%s shouts to %d, %v", a.Name(), sent, err)
					}
				} else {
					a.must(a.Whisper(t.Context(), other.UUID(), content))
				}
				time.Sleep(pause)
			}
			a.must(a.Flush(t.Context()))
		})
		work.Go(func() {
			for want := uint64(0); want < messages; {
				e, err := a.Recv(t.Context())
				if err != nil || !e.Carries() {
					t.Errorf("%s is told after %d messages: %v %v %v", a.Name(), want, e.Type(), e.Reason(), err)
					return
				}
				if got := binary.BigEndian.Uint64(e.Msg()[0]); got != want {
					t.Errorf("%s got message %d, want %d", a.Name(), got, want)
					return
				}
				want++
			}
		})
	}
	over := make(chan struct{})
	cuts.Go(func() {
		for {
			select {
			case <-over:
				return
			case <-time.After(time.Duration(chance.IntN(100)) * time.Millisecond):
				l.memory.Cut(nodes[chance.IntN(2)].host)
			}
		}
	})
	work.Wait()
	close(over)
	cuts.Wait()
	for _, a := range nodes {
		a.idle(time.Minute)
	}
}
