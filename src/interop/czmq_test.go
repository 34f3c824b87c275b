package interop

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/zeromq/goczmq"
)

// czmqSock is a libzmq socket. Calls give up after patience; a call that fails is
// made again until then, since Go's preemption signal interrupts libzmq, which
// goczmq reports like any other failure.
type czmqSock struct {
	*goczmq.Sock
	t testing.TB
}

func newSock(t testing.TB, kind int) czmqSock {
	t.Helper()
	s := goczmq.NewSock(kind)
	s.SetRcvtimeo(100)
	s.SetSndtimeo(100)
	s.SetLinger(0)
	t.Cleanup(s.Destroy)
	return czmqSock{s, t}
}

// bind returns the endpoint at which the socket listens on loopback.
func (s czmqSock) bind() string {
	s.t.Helper()
	port, err := s.Bind("tcp://127.0.0.1:!") // a random one; with * the first that is free
	must(s.t, err)
	return fmt.Sprintf("tcp://127.0.0.1:%d", port)
}

func (s czmqSock) connect(endpoint string) {
	s.t.Helper()
	s.again("connect", func() error { return s.Connect(endpoint) })
}

// send sends one message.
func (s czmqSock) send(frames ...[]byte) {
	s.t.Helper()
	for i, frame := range frames {
		more := goczmq.FlagMore
		if i == len(frames)-1 {
			more = 0
		}
		s.again("send", func() error { return s.SendFrame(frame, more) })
	}
}

// receive returns one message; that of a ROUTER begins with the sender's identity.
func (s czmqSock) receive() (frames [][]byte) {
	s.t.Helper()
	s.again("receive", func() error { // may be interrupted between two frames
		more, err := s.RecvMessage()
		frames = append(frames, more...)
		return err
	})
	return frames
}

func (s czmqSock) again(what string, call func() error) {
	s.t.Helper()
	err := errors.New("no time")
	for deadline := time.Now().Add(patience); err != nil; err = call() {
		if time.Now().After(deadline) {
			s.t.Fatalf("libzmq does not %s: %v", what, err)
		}
	}
}
