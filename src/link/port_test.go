package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
)

// TestPort: connections come from the port of a listener, which nobody else gets for that. A
// second one to the same place comes from another, where that is allowed.
func TestPort(t *testing.T) {
	l, err := TCP{}.Listen(t.Context(), "tcp://*:*")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := Share(l); errors.Is(err, ErrShared) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().(*net.TCPAddr).Port
	if again, err := (TCP{}).Listen(t.Context(), fmt.Sprintf("tcp://*:%d", at)); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("another listens at %v, %v", again, err)
	}
	far, err := TCP{}.Listen(t.Context(), "tcp://127.0.0.1:*")
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	var last net.Conn
	dial := func(p Port) (int, error) {
		conn, err := p.Dial(context.Background(), "tcp://"+far.Addr().String())
		if err != nil {
			return 0, err
		}
		t.Cleanup(func() { _ = conn.Close() })
		last = conn
		return conn.LocalAddr().(*net.TCPAddr).Port, nil
	}
	for range 2 { // it is forgotten when it is closed
		if from, err := dial(Port{At: l.Addr(), Else: true}); err != nil || from != at {
			t.Errorf("from %d, %v, want %d", from, err, at)
		}
		_ = last.Close()
	}
	if from, err := dial(Port{At: l.Addr()}); err != nil || from != at {
		t.Errorf("from %d, %v, want %d", from, err, at)
	}
	if _, err := dial(Port{At: l.Addr()}); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("a second one: %v", err)
	}
	if from, err := dial(Port{At: l.Addr(), Else: true}); err != nil || from == at {
		t.Errorf("a second one from anywhere: from %d, %v", from, err)
	}
}
