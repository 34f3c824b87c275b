// Package zmtp is ZMTP 3.1 (ZeroMQ RFC 37) over byte slices: the handshake with
// the NULL or the CURVE mechanism (RFC 26), the framing and sealing of messages,
// and the commands of open connections. It owns no socket and starts no goroutine;
// package link does both. ZMTP 3.0 is accepted, older versions are refused.
//
// Programs import bindings/go/once: what is here may change at any time.
package zmtp

import (
	"errors"
	"strconv"
)

var (
	// ErrProtocol says that the far side broke ZMTP. The connection is of no
	// further use.
	ErrProtocol = errors.New("zmtp: protocol error")
	// ErrTooLarge says that the far side announced more than our limits allow.
	ErrTooLarge = errors.New("zmtp: message too large")
	// ErrVersion says that the far side speaks ZMTP below 3.0, or none.
	ErrVersion = errors.New("zmtp: not ZMTP 3")
	// ErrMechanism says that the far side asks for another security mechanism.
	ErrMechanism = errors.New("zmtp: security mechanisms differ")
	// ErrSocketType says that the socket types of the two sides do not go together.
	ErrSocketType = errors.New("zmtp: incompatible socket types")
	// ErrCurve says that something was not sealed with the keys of this connection,
	// or was sent before. The connection is of no further use.
	ErrCurve = errors.New("zmtp: CURVE broken")
	// ErrAdmission says that we do not admit the far side's key.
	ErrAdmission = errors.New("zmtp: key not admitted")
)

// RefusedError says that the far side turned us away with an ERROR command. RFC
// 37 wants it taken as final: the same credentials should not be tried again. But
// nothing protects it, even with CURVE: anyone between may have said it.
type RefusedError struct {
	Reason string // in the far side's words, at most 255 octets
}

// Error quotes the reason, which may hold any octets.
func (e *RefusedError) Error() string {
	return "zmtp: refused by the far side: " + quote(e.Reason)
}

// quote makes text from the network fit for an error message.
func quote(s string) string {
	const most = 64
	if len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "..."
	}
	return strconv.QuoteToASCII(s)
}
