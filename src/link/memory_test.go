package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

const (
	hostA = "10.0.0.1"
	hostB = "10.0.0.2"
	hostC = "fd00::3"
)

// after is a delay for all.
func after(d time.Duration) func(from, to string) time.Duration {
	return func(from, to string) time.Duration { return d }
}

func TestMemoryDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(func(from, to string) time.Duration {
			if from == hostA {
				return 30 * time.Millisecond
			}
			return 10 * time.Millisecond
		})
		start := time.Now()
		a, b := connect(t, m.Host(hostA), m.Host(hostB), "tcp://*:5000")
		defer a.Close()
		defer b.Close()
		if took := time.Since(start); took != 40*time.Millisecond {
			t.Errorf("dialling took %v, want 40ms", took)
		}
		if got := b.LocalAddr().String(); got != hostB+":5000" || a.RemoteAddr().String() != got {
			t.Errorf("addresses %v, %v", b.LocalAddr(), a.RemoteAddr())
		}
		start = time.Now()
		for _, way := range []struct {
			from, to net.Conn
			want     time.Duration
		}{{a, b, 30 * time.Millisecond}, {b, a, 40 * time.Millisecond}} {
			if _, err := io.WriteString(way.from, "hello"); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(way.to, make([]byte, 5)); err != nil || time.Since(start) != way.want {
				t.Errorf("%v after %v, want %v", err, time.Since(start), way.want)
			}
		}
	})
}

// The same calls have the same outcome at the same virtual time.
func TestMemoryIsDeterministic(t *testing.T) {
	run := func() (trace string) {
		synctest.Test(t, func(t *testing.T) {
			start, jitter := time.Now(), time.Duration(0)
			m := NewMemory(func(from, to string) time.Duration {
				jitter = (jitter*31 + 7) % 50
				return jitter * time.Millisecond
			})
			a, b := connect(t, m.Host(hostA), m.Host(hostB), "tcp://*:*")
			done := make(chan struct{})
			go func() {
				defer close(done)
				for buf := make([]byte, 100); ; {
					n, err := b.Read(buf)
					trace += fmt.Sprintf("%v %q %v\n", time.Since(start), buf[:n], err)
					if err != nil {
						b.Close()
						return
					}
				}
			}()
			for i := range 20 {
				fmt.Fprintf(a, "message %d.", i)
				<-time.After(time.Duration(i%5) * 7 * time.Millisecond)
			}
			m.Partition(hostA, hostB, true)
			fmt.Fprint(a, "late.")
			<-time.After(time.Second)
			m.Partition(hostA, hostB, false)
			a.Close()
			<-done
		})
		return trace
	}
	first := run()
	if second := run(); second != first {
		t.Errorf("first\n%s\nthen\n%s", first, second)
	}
	if !strings.HasSuffix(first, "EOF\n") || strings.Count(first, "message") != 20 || strings.Index(first, "message 9.") > strings.Index(first, "message 10.") {
		t.Errorf("not all, or not in order:\n%s", first)
	}
}

func TestMemoryCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(after(time.Second))
		a, b := connect(t, m.Host(hostA), m.Host(hostB), "tcp://*:*")
		c, d := connect(t, m.Host(hostC), m.Host(hostB), "tcp://*:*")
		for _, conn := range []net.Conn{a, b, c, d} {
			defer conn.Close()
		}
		if _, err := io.WriteString(a, "lost"); err != nil {
			t.Fatal(err)
		}
		broken := make(chan error, 1)
		go func() {
			_, err := b.Read(make([]byte, 10))
			broken <- err
		}()
		synctest.Wait()
		m.Cut(hostA)
		if err := <-broken; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("reading: %v", err)
		}
		if _, err := a.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("writing: %v", err)
		}
		if _, err := io.WriteString(c, "x"); err != nil {
			t.Errorf("another host's connection: %v", err)
		}
		if _, err := d.Read(make([]byte, 1)); err != nil {
			t.Errorf("another host's connection: %v", err)
		}
	})
}

func TestMemoryPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(nil)
		a, b := connect(t, m.Host(hostA), m.Host(hostB), "tcp://*:5000")
		defer a.Close()
		defer b.Close()
		l, err := m.Host(hostB).Listen(t.Context(), "tcp://*:5000")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		m.Partition(hostA, hostB, true)
		if _, err := io.WriteString(a, "hello"); err != nil {
			t.Fatal(err)
		}
		b.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := b.Read(make([]byte, 5)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("reading while parted: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := m.Host(hostA).Dial(ctx, "tcp://10.0.0.2:5000"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dialling while parted: %v", err)
		}
		if conn, err := m.Host(hostC).Dial(t.Context(), "tcp://10.0.0.2:5000"); err != nil {
			t.Errorf("a third host dials: %v", err)
		} else {
			conn.Close()
		}
		dialled := make(chan error, 1)
		go func() {
			conn, err := m.Host(hostA).Dial(t.Context(), "tcp://10.0.0.2:5000")
			if err == nil {
				conn.Close()
			}
			dialled <- err
		}()
		synctest.Wait()
		m.Partition(hostB, hostA, false)
		b.SetReadDeadline(time.Time{})
		if _, err := io.ReadFull(b, make([]byte, 5)); err != nil {
			t.Errorf("reading afterwards: %v", err)
		}
		if err := <-dialled; err != nil {
			t.Errorf("dialling until it heals: %v", err)
		}
	})
}

func TestMemoryRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(after(time.Second))
		dial := func() error {
			conn, err := m.Host(hostA).Dial(t.Context(), "tcp://10.0.0.2:5000")
			if err == nil {
				conn.Close()
			}
			return err
		}
		if err := dial(); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("nobody listens: %v", err)
		}
		l, err := m.Host(hostB).Listen(t.Context(), "tcp://10.0.0.2:5000")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Host(hostB).Listen(t.Context(), "tcp://*:5000"); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("listening twice: %v", err)
		}
		if _, err := m.Host(hostB).Listen(t.Context(), "tcp://10.0.0.1:5000"); !errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Errorf("listening on another host's address: %v", err)
		}
		m.Refuse(hostB, true)
		if err := dial(); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("told to refuse: %v", err)
		}
		m.Refuse(hostB, false)
		if err := dial(); err != nil {
			t.Errorf("told to accept: %v", err)
		}
		l.Close()
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept after Close: %v", err)
		}
		if err := dial(); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("after the listener is closed: %v", err)
		}
	})
}

// A writer waits while the far side does not read, until the deadline or the end.
func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(nil)
		a, b := connect(t, m.Host(hostA), m.Host(hostB), "tcp://*:*")
		defer a.Close()
		a.SetWriteDeadline(time.Now().Add(time.Second))
		if n, err := a.Write(make([]byte, 2*memoryBuffer)); n != memoryBuffer || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("wrote %d octets, %v", n, err)
		}
		a.SetDeadline(time.Time{})
		failed := make(chan error, 1)
		go func() {
			_, err := a.Write([]byte("x"))
			failed <- err
		}()
		synctest.Wait()
		b.Close()
		if err := <-failed; !errors.Is(err, syscall.EPIPE) {
			t.Errorf("writing to who has closed: %v", err)
		}
		if err := b.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("closing twice: %v", err)
		}
		if err := b.SetDeadline(time.Time{}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("deadline after closing: %v", err)
		}
	})
}

// Half of a connection can be closed; the other still works.
func TestMemoryCloseWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(after(time.Millisecond))
		a, b := connect(t, m.Host(hostA), m.Host(hostB), "tcp://*:*")
		defer b.Close()
		io.WriteString(a, "last")
		if err := a.(*memoryConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("writing afterwards: %v", err)
		}
		if got, err := io.ReadAll(b); string(got) != "last" || err != nil {
			t.Errorf("the far side reads %q, %v", got, err)
		}
		io.WriteString(b, "answer")
		b.Close()
		if got, err := io.ReadAll(a); string(got) != "answer" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		a.Close()
		if err := a.(*memoryConn).CloseWrite(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after closing: %v", err)
		}
	})
}

func TestMemoryRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(after(time.Second))
		a, b := connect(t, m.Host(hostA), m.Host(hostB), "tcp://*:5000")
		defer a.Close()
		defer b.Close()
		m.Rate(func(_, _ string) int { return 1000 })
		start := time.Now()
		for range 2 {
			if _, err := a.Write(make([]byte, 500)); err != nil || time.Since(start) != 0 {
				t.Fatalf("writing: %v after %v", err, time.Since(start))
			}
		}
		for _, want := range []time.Duration{1500 * time.Millisecond, 2 * time.Second} {
			if _, err := io.ReadFull(b, make([]byte, 500)); err != nil || time.Since(start) != want {
				t.Errorf("%v after %v, want %v", err, time.Since(start), want)
			}
		}
	})
}

// What has arrived before two hosts are parted can be read.
func TestMemoryPartitionLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(after(time.Second))
		a, b := connect(t, m.Host(hostA), m.Host(hostB), "tcp://*:5000")
		defer a.Close()
		defer b.Close()
		for range 2 {
			if _, err := a.Write(make([]byte, 5)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(1500 * time.Millisecond)
			m.Partition(hostA, hostB, true)
		}
		b.SetReadDeadline(time.Now().Add(time.Minute))
		if n, err := io.ReadFull(b, make([]byte, 10)); n != 5 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("reading while parted: %d octets, %v", n, err)
		}
	})
}

// Who closes what is not read, or was told to, resets the connection: the far side can
// read what was under way, and sees no end in good order.
func TestMemoryReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(after(time.Second))
		for _, told := range []bool{true, false} {
			a, b := connect(t, m.Host(hostA), m.Host(hostB), "tcp://*:5000")
			if told {
				a.(*memoryConn).SetLinger(0)
			} else if _, err := b.Write(make([]byte, 5)); err != nil {
				t.Fatal(err)
			}
			if _, err := a.Write(make([]byte, 5)); err != nil {
				t.Fatal(err)
			}
			a.Close()
			if got, err := io.ReadAll(b); len(got) != 5 || !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%d octets, %v", len(got), err)
			}
			b.Close()
		}
	})
}
