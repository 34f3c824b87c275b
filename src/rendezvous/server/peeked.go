package server

import (
	"io"
	"net"
)

// peeked is a connection whose first octet was read.
type peeked struct {
	net.Conn
	first []byte
}

func (p *peeked) Read(b []byte) (int, error) {
	if len(p.first) > 0 && len(b) > 0 {
		n := copy(b, p.first)
		p.first = p.first[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

// read is peek where the octet cannot be left where it is.
func read(conn net.Conn) (net.Conn, byte, error) {
	p := &peeked{conn, make([]byte, 1)}
	_, err := io.ReadFull(conn, p.first)
	return p, p.first[0], err
}
