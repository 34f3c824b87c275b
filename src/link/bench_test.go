package link

import (
	"context"
	"net"
	"testing"

	"github.com/sjohnr/at-once/src/zmtp"
)

// head stands for the frame that ZRE puts before content.
var head = []byte{0xaa, 0xa1, 2, 2, 0, 1}

// messageSize is the size on the wire of a message of two frames: head, content.
func messageSize(content int) int {
	return zmtp.FrameSize(len(head)) + zmtp.FrameSize(content)
}

// putMessage encodes a message of two frames.
func putMessage(b []byte, content []byte) {
	b = append(zmtp.AppendHeader(b[:0], len(head), true), head...)
	_ = append(zmtp.AppendHeader(b, len(content), false), content...)
}

func sendMessage(ctx context.Context, l *Link, content []byte) error {
	b, err := l.Reserve(ctx, messageSize(len(content)))
	if err != nil {
		return err
	}
	putMessage(b, content)
	l.Commit()
	return nil
}

func BenchmarkLink64(b *testing.B)  { benchmarkLink(b, 64, dealer, router) }
func BenchmarkLink1K(b *testing.B)  { benchmarkLink(b, 1<<10, dealer, router) }
func BenchmarkLink64K(b *testing.B) { benchmarkLink(b, 64<<10, dealer, router) }

func BenchmarkCurve64(b *testing.B)  { benchmarkCurve(b, 64) }
func BenchmarkCurve1K(b *testing.B)  { benchmarkCurve(b, 1<<10) }
func BenchmarkCurve64K(b *testing.B) { benchmarkCurve(b, 64<<10) }

func benchmarkCurve(b *testing.B, size int) {
	near, far := secure(dealer, router)
	benchmarkLink(b, size, near, far)
}

func benchmarkLink(b *testing.B, size int, from, to Config) {
	near, far := openPair(b, from, to)
	ctx, content := b.Context(), make([]byte, size)
	left := b.N
	done := make(chan struct{})
	go far.Serve(func(batch *Batch) error {
		defer batch.Release()
		for i := range batch.Len() {
			if m := batch.Message(i); len(m) != 2 || len(m[1]) != size {
				b.Error("message is damaged")
			}
		}
		if left -= batch.Len(); left == 0 {
			close(done)
		}
		return nil
	})
	go near.Serve(func(*Batch) error { return nil })
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if err := sendMessage(ctx, near, content); err != nil {
			b.Fatal(err)
		}
	}
	<-done
}

// BenchmarkKept64 is BenchmarkLink64 with an outbox that keeps what is written until the far
// side has it, which it says every 64 KiB.
func BenchmarkKept64(b *testing.B) {
	const step = 64 << 10
	near, far := openPair(b, dealer, router)
	ctx, content, o := b.Context(), make([]byte, 64), granted(Config{})
	if err := o.Attach(near, 0); err != nil {
		b.Fatal(err)
	}
	came, acked := 0, 0
	done := make(chan struct{})
	go far.Serve(func(batch *Batch) error {
		defer batch.Release()
		if came += batch.Len() * messageSize(len(content)); came-acked >= step || came == b.N*messageSize(len(content)) {
			acked = came
			if err := o.Acknowledge(uint64(acked)); err != nil {
				b.Error(err)
			}
		}
		if came == b.N*messageSize(len(content)) {
			close(done)
		}
		return nil
	})
	go near.Serve(func(*Batch) error { return nil })
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		room, err := o.Reserve(ctx, messageSize(len(content)))
		if err != nil {
			b.Fatal(err)
		}
		putMessage(room, content)
		o.Commit()
	}
	<-done
}

func BenchmarkRoundTrip(b *testing.B) { benchmarkRoundTrip(b, dealer, router) }

func BenchmarkCurveRoundTrip(b *testing.B) {
	near, far := secure(dealer, router)
	benchmarkRoundTrip(b, near, far)
}

func benchmarkRoundTrip(b *testing.B, from, to Config) {
	near, far := openPair(b, from, to)
	ctx, content := b.Context(), make([]byte, 64)
	go far.Serve(func(batch *Batch) error {
		defer batch.Release()
		return sendMessage(ctx, far, batch.Message(0)[1])
	})
	back := make(chan struct{}, 1)
	go near.Serve(func(batch *Batch) error {
		batch.Release()
		back <- struct{}{}
		return nil
	})
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if err := sendMessage(ctx, near, content); err != nil {
			b.Fatal(err)
		}
		<-back
	}
}

// BenchmarkPlainRoundTrip is what TCP alone takes for the same octets.
func BenchmarkPlainRoundTrip(b *testing.B) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		for buf := make([]byte, 4096); ; {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			conn.Write(buf[:n])
		}
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	back := make(chan struct{}, 1)
	go func() {
		for buf := make([]byte, 4096); ; {
			if _, err := conn.Read(buf); err != nil {
				return
			}
			back <- struct{}{}
		}
	}()
	content := make([]byte, messageSize(64))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, err := conn.Write(content); err != nil {
			b.Fatal(err)
		}
		<-back
	}
}
