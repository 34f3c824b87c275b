package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
)

// tcpStack is the floor: messages behind their lengths, gathered into writes of 64 KiB on a
// connection of package net, and nothing else.
type tcpStack struct{}

const gathered = 64 << 10

func (tcpStack) Listen(ctx context.Context, o order, tell func(string) error) ([]peer, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	if err := tell(l.Addr().String()); err != nil {
		return nil, err
	}
	conn, err := l.Accept()
	if err != nil {
		return nil, errors.Join(err, ctx.Err())
	}
	return []peer{newTCP(conn, o)}, nil
}

func (tcpStack) Call(ctx context.Context, o order) (peer, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", o.Address)
	if err != nil {
		return nil, err
	}
	return newTCP(conn, o), nil
}

type tcpPeer struct {
	conn net.Conn
	r    *bufio.Reader
	w    *bufio.Writer
	echo bool   // nothing is gathered
	b    []byte // the latest message
}

func newTCP(conn net.Conn, o order) *tcpPeer {
	return &tcpPeer{
		conn: conn, r: bufio.NewReaderSize(conn, gathered), w: bufio.NewWriterSize(conn, gathered),
		echo: o.Trial.Echo, b: make([]byte, max(o.Trial.Size, len(last))),
	}
}

func (p *tcpPeer) Send(_ context.Context, content []byte) error {
	var head [4]byte
	binary.BigEndian.PutUint32(head[:], uint32(len(content)))
	for _, part := range [][]byte{head[:], content} {
		if _, err := p.w.Write(part); err != nil {
			return err
		}
	}
	if p.echo || len(content) == len(last) {
		return p.w.Flush()
	}
	return nil
}

func (p *tcpPeer) Receive(ctx context.Context, handle func([]byte) (bool, error)) error {
	defer context.AfterFunc(ctx, func() { _ = p.conn.Close() })()
	for more := true; more; {
		var head [4]byte
		if _, err := io.ReadFull(p.r, head[:]); err != nil {
			return errors.Join(err, ctx.Err())
		}
		n := int(binary.BigEndian.Uint32(head[:]))
		if n > len(p.b) {
			return errOrder
		}
		if _, err := io.ReadFull(p.r, p.b[:n]); err != nil {
			return errors.Join(err, ctx.Err())
		}
		var err error
		if more, err = handle(p.b[:n]); err != nil {
			return err
		}
	}
	return nil
}

func (p *tcpPeer) Close() error { return p.conn.Close() }
