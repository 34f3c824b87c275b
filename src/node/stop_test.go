package node

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/zmtp"
)

// TestGreetedWhileStopping greets a node that stops before it has taken the connection
// in: it stops all the same.
func TestGreetedWhileStopping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana := l.node("ana")
		busy := make(chan struct{})
		ana.calls <- func() { <-busy }
		stopped := make(chan struct{})
		go func() {
			ana.Stop()
			close(stopped)
		}()
		synctest.Wait()
		conn, err := l.memory.Host("10.0.0.99").Dial(t.Context(), ana.Endpoint())
		ana.must(err)
		defer conn.Close()
		h := zmtp.NewHandshake(zmtp.Metadata{Type: zmtp.Dealer, Identity: routingID(uuid.New())})
		_, err = h.Run(conn)
		ana.must(err)
		_, err = conn.Write(frame(&zremsg.Hello{Sequence: 1, Endpoint: "tcp://10.0.0.99:9", Name: "late"}))
		ana.must(err)
		time.Sleep(time.Second) // virtual
		synctest.Wait()
		close(busy)
		select {
		case <-stopped:
		case <-time.After(time.Minute):
			t.Fatal("it does not stop")
		}
	})
}
