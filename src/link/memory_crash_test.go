package link

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A host that crashes tells nobody; what comes from it later is a reset.
func TestMemoryCrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(after(time.Second))
		a, b := connect(t, m.Host(hostA), m.Host(hostB), "tcp://*:5000")
		defer b.Close()
		l, err := m.Host(hostA).Listen(t.Context(), "tcp://*:5000")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(a, "left"); err != nil {
			t.Fatal(err)
		}
		m.Crash(hostA)
		if _, err := a.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("writing on the host: %v", err)
		}
		a.Close()
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accepting on the host: %v", err)
		}
		if _, err := m.Host(hostA).Listen(t.Context(), "tcp://*:*"); !errors.Is(err, syscall.ENETDOWN) {
			t.Errorf("listening on the host: %v", err)
		}
		if _, err := m.Host(hostA).Dial(t.Context(), "tcp://10.0.0.2:5000"); !errors.Is(err, syscall.ENETDOWN) {
			t.Errorf("dialling on the host: %v", err)
		}
		if _, err := io.ReadFull(b, make([]byte, 4)); err != nil {
			t.Errorf("reading what had left: %v", err)
		}
		b.SetReadDeadline(time.Now().Add(time.Hour))
		if _, err := b.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("reading an hour later: %v", err)
		}
		if _, err := io.WriteString(b, "nobody reads it"); err != nil {
			t.Errorf("writing to the host: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := m.Host(hostB).Dial(ctx, "tcp://10.0.0.1:5000"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dialling the host: %v", err)
		}
		m.Restore(hostA)
		if _, err := b.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("writing to the host when it is back: %v", err)
		}
		if _, err := m.Host(hostB).Dial(t.Context(), "tcp://10.0.0.1:5000"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("nobody listens there yet: %v", err)
		}
		if l, err = m.Host(hostA).Listen(t.Context(), "tcp://*:5000"); err != nil {
			t.Fatal(err)
		}
		l.Close()
	})
}

// Hosts of one side, and those of none, reach each other.
func TestMemoryDivide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(nil)
		for _, host := range []string{hostA, hostB, hostC, "10.0.0.4"} {
			l, err := m.Host(host).Listen(t.Context(), "tcp://*:5000")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
		}
		reaches := func(from, to string, want bool) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			conn, err := m.Host(from).Dial(ctx, "tcp://"+net.JoinHostPort(to, "5000"))
			if got := err == nil; got != want {
				t.Errorf("from %s to %s: %v", from, to, err)
			}
			if err == nil {
				conn.Close()
			}
		}
		m.Divide([]string{hostA, hostB}, []string{hostC})
		reaches(hostA, hostB, true)
		reaches(hostA, hostC, false)
		reaches(hostC, hostB, false)
		reaches("10.0.0.4", hostA, true)
		reaches(hostC, "10.0.0.4", true)
		m.Divide([]string{hostA}, []string{hostB})
		reaches(hostA, hostB, false)
		reaches(hostA, hostC, true)
		m.Divide()
		reaches(hostA, hostB, true)
	})
}
