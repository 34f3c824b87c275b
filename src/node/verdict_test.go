package node

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/zremsg"
)

// TestStopAsOneWaits stops a node right after it had a connection wait for the end of
// another.
func TestStopAsOneWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana := l.node("ana")
		hello := frame(&zremsg.Hello{Sequence: 1, Name: "mallory", Endpoint: "tcp://10.0.0.66:9"})
		first := l.stranger(ana, routingID(mallory))
		defer first.close()
		first.say(hello)
		second := l.stranger(ana, routingID(mallory))
		defer second.close()
		time.Sleep(time.Second)
		busy := make(chan struct{}) // so that both come right after each other
		ana.loop.calls <- func() { <-busy }
		second.say(hello)
		time.Sleep(time.Second)
		go func() {
			time.Sleep(time.Second)
			close(busy)
		}()
		ana.must(ana.Stop())
	})
}
