package wan

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/ladder"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func listen(t *testing.T) *Access {
	t.Helper()
	own, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	a, err := Listen(t.Context(), Config{
		Servers:  []rendezvous.Address{{Hosts: []string{"10.0.0.9:5671"}, Key: [32]byte{1}, Secret: rendezvous.Secret{2}}},
		Identity: own, Transport: link.NewMemory(func(string, string) time.Duration { return 0 }).Host("10.0.0.1"), Listen: "tcp://*:*", Here: true, Kept: NewKept(), Strangers: 10,
		Random: func(string) float64 { return 0.5 }, Log: slog.New(slog.DiscardHandler), Count: func(string) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestNobody has a node with a server that is not there: it knows nobody, reaches nobody, and
// says why.
func TestNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := listen(t)
		a.Describe(Description{Name: "ana", Groups: []string{"room"}})
		ctx, stop := context.WithCancel(t.Context())
		var looks, told atomic.Int32
		over := make(chan struct{})
		go func() {
			defer close(over)
			a.Run(ctx, Node{
				Sighted: func(peers []uuid.UUID) []uuid.UUID { looks.Add(int32(1 + 100*len(peers))); return nil },
				Told: func(text string, bad bool) {
					if told.Add(1); !bad || !strings.Contains(text, "10.0.0.9:5671: ") {
						t.Errorf("it is told that %s", text)
					}
				},
			})
		}()
		time.Sleep(time.Minute)
		who := uuid.New()
		if _, err := a.Reach(ctx, who); !errors.Is(err, ErrUnknown) || a.Knows(who) || len(a.Known()) > 0 {
			t.Errorf("reached: %v", err)
		}
		if n := looks.Load(); n < 10 || n > 100 {
			t.Errorf("it has looked %d times", n)
		}
		if n := told.Load(); n != 1 {
			t.Errorf("it is told %d times that nobody answers", n)
		}
		for address, state := range a.States() {
			if state.Trouble == "" || !state.Away {
				t.Errorf("%s is there", address)
			}
		}
		if facts := a.Facts(); len(facts) != 2 || facts["mapped"] != "" || facts["port"] == "0" {
			t.Errorf("facts %v", facts)
		}
		stop()
		<-over
	})
}

// TestTried keeps so much of what was tried, of so many peers.
func TestTried(t *testing.T) {
	a := listen(t)
	defer a.Close()
	who := uuid.New()
	for i := range 2 * maxTrials {
		a.ways.trials.note(ladder.Trial{Peer: who, Took: time.Duration(i)})
	}
	if list := a.Tried(who); len(list) != maxTrials || list[maxTrials-1].Took != 2*maxTrials-1 {
		t.Errorf("%d are kept", len(list))
	}
	for range 2 * maxTried {
		a.ways.trials.note(ladder.Trial{Peer: uuid.New()})
	}
	if len(a.ways.trials.of) > maxTried {
		t.Errorf("of %d peers", len(a.ways.trials.of))
	}
}

// TestAddressOf counts each who comes over circuits by itself.
func TestAddressOf(t *testing.T) {
	one, other := uuid.New(), uuid.New()
	if at := addressOf(one).String(); at == addressOf(other).String() || at != addressOf(uuid.UUID(one[:])).String() {
		t.Error("the addresses of two are one, or one has two")
	}
}

// TestNone does nothing for a node that stays with no server.
func TestNone(t *testing.T) {
	var none *Access
	none.LetGo(uuid.New())
	none.Lost(nil)
	none.Moved()
	if none.Knows(uuid.New()) || none.Close() != nil {
		t.Error("there is something")
	}
}
