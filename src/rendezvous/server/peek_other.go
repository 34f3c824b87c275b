//go:build !unix

package server

import "net"

// peek waits for the first octet of a connection.
func peek(conn net.Conn) (net.Conn, byte, error) { return read(conn) }
