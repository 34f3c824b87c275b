//go:build czmq

// Package czmq is the driver for those who want libzmq: a link.Transport whose
// connections have it do the ZMTP and CURVE, through goczmq. It needs the build tag
// czmq, a C compiler, libzmq 4.3 and CZMQ, and a system with Unix sockets.
//
// Libzmq takes no connection that it has not made or accepted itself. A ROUTER for all
// peers would stop reading from all when one of them is not read, and could neither tell
// when one goes nor send one away. So connections are made as by link.TCP, with its
// endpoints, errors and addresses, and each has a socket of libzmq of its own, to which
// its octets are relayed over a Unix socket that nobody else can reach.
//
// What differs, because libzmq does not tell it or take it:
//
//   - The handshake of a ROUTER ends with the first message of the far side.
//   - With CURVE the far side's socket type and properties are not known, nor to a
//     DEALER its identity, nor why a handshake fails: Metadata.Partial is set.
//   - Curve.Admit is asked after libzmq's handshake, so that who is not admitted hears
//     no ERROR: its connection ends.
//   - Config.Properties are not sent.
//   - Libzmq holds messages up to Config.MaxMessage also while Config.Greeting holds; then
//     the connection ends.
//   - An open connection that libzmq ends, for whatever reason, ends with ErrHungUp.
//   - After Shutdown nothing more is read but the end.
//
// The process can have no other ZAP handler (RFC 27), such as goczmq.Auth, while a
// connection is accepted with CURVE.
//
// Programs import bindings/go/once: what is here may change at any time.
package czmq
