package interop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// reunion is a node of ours and one like Zyre's that knows it, goes and comes back
// at the same endpoint as somebody new.
type reunion struct {
	t    *testing.T
	host string // address at which Zyre reaches us
	ours *once.Node
	log  *diary
	dead string // the id of the life that is over
}

// newReunion starts a node of ours that hears beacons to a port on a device.
func newReunion(t *testing.T, host string, c zyreConfig) *reunion {
	t.Helper()
	r := &reunion{t: t, host: host, log: &diary{began: time.Now()}}
	log := slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	ours, err := once.Start(context.Background(), once.Config{
		Name: "ours", Interfaces: []string{c.Device}, BeaconPort: int(c.Port), Logger: log,
	})
	must(t, err)
	r.ours = ours
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("we counted %v; we logged and saw\n%s", ours.Counts(), r.log)
		}
		ours.Close()
	})
	return r
}

// meet waits until a Zyre and we are present to each other. What we see of others
// is noted.
func (r *reunion) meet(z *plainNode) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		event, err := r.ours.Next(ctx)
		if err != nil {
			r.t.Fatalf("%s does not enter: %v", z.uuid, err)
		}
		r.note(event)
		if _, ok := event.(*once.Enter); ok && hex(event.About().Peer.UUID()) == z.uuid {
			break
		}
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(r.ours.Endpoint(), "tcp://"), ":")
	z.sees("enter ours tcp://" + r.host + ":" + port)
}

// note notes what we see.
func (r *reunion) note(event once.Event) {
	r.log.note("we: %s %s", hex(event.About().Peer.UUID())[:4], tell(event))
	if _, ok := event.(*once.Recover); ok && hex(event.About().Peer.UUID()) == r.dead {
		r.t.Errorf("%s is dead and recovers", r.dead)
	}
}

// converse has both whisper 4 times a second for so long, and holds what arrives
// against what was said.
func (r *reunion) converse(z *plainNode, whispers int) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(whispers)*time.Second/4+10*time.Second)
	defer cancel()
	var listening sync.WaitGroup
	var here, there []string // the whispers that arrive
	listening.Go(func() {
		for len(here) < whispers {
			event, err := r.ours.Next(ctx)
			if err != nil {
				return
			}
			r.note(event)
			if w, ok := event.(*once.Whisper); ok && hex(w.Peer.UUID()) == z.uuid {
				here = append(here, string(w.Content[0]))
			}
		}
	})
	listening.Go(func() {
		for len(there) < whispers {
			select {
			case e, alive := <-z.events:
				if !alive {
					return
				}
				r.log.note("Zyre: %s", e)
				if e.Type == "whisper" {
					there = append(there, string(e.Content))
				}
			case <-ctx.Done():
				return
			}
		}
	})
	var said []string
	id := uuid.MustParse(z.uuid)
	tick := time.NewTicker(time.Second / 4)
	defer tick.Stop()
	var failed error
	for i := range whispers {
		<-tick.C
		text := strconv.Itoa(i)
		said = append(said, text)
		z.do("whisper", hex(r.ours.UUID()), text)
		failed = errors.Join(failed, r.ours.Whisper(ctx, id, []byte(text)))
	}
	listening.Wait()
	if failed != nil {
		r.t.Errorf("we cannot whisper: %v", failed)
	}
	for _, way := range []struct {
		name  string
		heard []string
	}{{"from us to Zyre", there}, {"from Zyre to us", here}} {
		if got, want := strings.Join(way.heard, " "), strings.Join(said, " "); got != want {
			r.t.Errorf("%s %d of %d whispers arrive: %q", way.name, len(way.heard), whispers, got)
		}
	}
}

// run has both talk, ends the first Zyre, starts the second after a pause, and has
// both talk again for 20 s.
func (r *reunion) run(start func() *plainNode, end func(*plainNode), pause time.Duration) {
	r.t.Helper()
	z := start()
	r.meet(z)
	r.converse(z, 4)
	r.log.note("it ends")
	end(z)
	r.dead = z.uuid
	<-time.After(pause)
	again := start()
	if again.endpoint != z.endpoint {
		r.t.Fatalf("it comes back at %s, was at %s", again.endpoint, z.endpoint)
	}
	r.log.note("%s is back as %s", z.uuid[:4], again.uuid[:4])
	r.meet(again)
	r.converse(again, 80)
}

// TestZyreComesBack kills a Zyre, or stops it in order, and starts it anew after a
// while, with another id at the same endpoint.
func TestZyreComesBack(t *testing.T) {
	kill, stop := (*plainNode).kill, func(z *plainNode) { z.stop() }
	for i, test := range []struct {
		name  string
		end   func(*plainNode)
		pause time.Duration
	}{
		{"kill", kill, 0}, {"kill", kill, time.Millisecond}, {"kill", kill, 10 * time.Millisecond},
		{"kill", kill, 30 * time.Millisecond}, {"kill", kill, 100 * time.Millisecond}, {"kill", kill, time.Second},
		{"stop", stop, 0}, {"stop", stop, 30 * time.Millisecond},
	} {
		t.Run(fmt.Sprint(test.name, "-", test.pause), func(t *testing.T) {
			t.Parallel()
			c := zyreConfig{Name: "zyre", Device: "lo", Port: uint16(freePort(t)),
				Address: netip.PrefixFrom(netip.AddrFrom4([4]byte{127, 0, 0, byte(10 + i)}), 8)}
			r := newReunion(t, "127.0.0.1", c)
			r.run(func() *plainNode { return startZyre(t, c) }, test.end, test.pause)
		})
	}
}
