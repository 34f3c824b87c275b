package node

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
)

// TestPing asks peers over a slow network: what is on its way to them comes first.
func TestPing(t *testing.T) {
	for _, security := range []api.NodeSecurity{api.NodeSecurityPlain, api.NodeSecurityAuto, api.NodeSecuritySecure} {
		t.Run(security.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLAN(t)
				ana, ben := l.couple(eightMegabit, with(security), roomy)
				quick, err := ana.Ping(t.Context(), ben.UUID())
				if err != nil || quick == 0 || quick > 10_000 {
					t.Errorf("with nothing on its way it took %d µs, %v", quick, err)
				}
				ana.must(ana.Whisper(t.Context(), ben.UUID(), [][]byte{make([]byte, eightMegabit)}))
				slow, err := ana.Ping(t.Context(), ben.UUID())
				if err != nil || slow < 900_000 || slow > 1_200_000 {
					t.Errorf("behind a second of content it took %d µs, %v", slow, err)
				}
			})
		})
	}
}

// TestPingEnds asks peers that do not answer, that are gone and that come back.
func TestPingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana, ben := l.couple(0)
		if _, err := ana.Ping(t.Context(), uuid.New()); !errors.Is(err, api.ErrNoPeer) {
			t.Errorf("a ping of nobody: %v", err)
		}
		l.memory.Partition(ana.host, ben.host, true)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := ana.Ping(short, ben.UUID()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a ping that is not answered: %v", err)
		}
		time.AfterFunc(time.Second, func() {
			l.memory.Partition(ana.host, ben.host, false)
			l.memory.Cut(ben.host)
		})
		if took, err := ana.Ping(t.Context(), ben.UUID()); err != nil || took == 0 {
			t.Errorf("a ping over the next connection: %d µs, %v", took, err)
		}
		l.memory.Partition(ana.host, ben.host, true)
		time.AfterFunc(time.Second, func() { _ = ana.Stop() })
		if _, err := ana.Ping(t.Context(), ben.UUID()); err == nil {
			t.Error("a node that has stopped got an answer")
		}
	})
}

func TestTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana, ben := l.couple(0)
		for range 3 {
			ana.must(ana.Whisper(t.Context(), ben.UUID(), [][]byte{make([]byte, 1000)}))
		}
		ana.must(ana.Flush(t.Context()))
		l.memory.Cut(ben.host) // what was said over a connection that is gone counts too
		if _, err := ana.Ping(t.Context(), ben.UUID()); err != nil {
			t.Fatal(err)
		}
		if _, err := ana.Shout(t.Context(), "room", [][]byte{make([]byte, 1000)}); err != nil {
			t.Fatal(err)
		}
		ana.must(ana.Flush(t.Context()))
		said, err := ana.Traffic(ben.UUID())
		if err != nil || said["sent messages"] != 4 || said["sent octets"] < 4000 || said["sent octets"] > 5000 || said["received messages"] != 0 {
			t.Errorf("ana has said %v, %v", said, err)
		}
		came, err := ben.Traffic(ana.UUID())
		if err != nil || came["received messages"] != 4 || came["received octets"] < 4000 || came["received octets"] > 5000 || came["sent octets"] != 0 {
			t.Errorf("to ben came %v, %v", came, err)
		}
		if said["waiting octets"] != 0 {
			t.Errorf("%d octets wait that ben has", said["waiting octets"])
		}
		l.memory.Partition(ana.host, ben.host, true)
		ana.must(ana.Whisper(t.Context(), ben.UUID(), [][]byte{make([]byte, 1000)}))
		if said, err = ana.Traffic(ben.UUID()); err != nil || said["waiting octets"] < 1000 || said["waiting octets"] > 2000 {
			t.Errorf("what ben cannot get waits as %v, %v", said, err)
		}
		if _, err := ana.Traffic(uuid.New()); !errors.Is(err, api.ErrNoPeer) {
			t.Errorf("traffic with nobody: %v", err)
		}
	})
}
