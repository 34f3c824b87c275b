// Package relay lends circuits: connections of two nodes that copy into each other. What
// passes is the ends' own affair. A circuit and its tickets are modelled in
// api/machine/circuit.xml and api/layout/once_ticket.xml.
//
// Programs import bindings/go/once: what is here may change at any time.
package relay

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"

	"github.com/google/uuid"
)

// Mark is the first octet of a ticket; that of ZMTP is another. TicketSize is how many
// there are.
const (
	Mark       = 0xC1
	TicketSize = 64
)

const (
	ticketVersion = 1
	ticketLife    = 30 * time.Second
	expiryAt      = 8
	circuitAt     = 16
	tagAt         = 32
)

// ErrTicket says that a ticket is not good, or not any more.
var ErrTicket = errors.New("no good ticket")

// name of a circuit.
type name [16]byte

// newTicket returns the ticket of a leg, whose end and other end have these ids.
func newTicket(key []byte, leg int, circuit name, expiry time.Time, end, other uuid.UUID) []byte {
	b := make([]byte, tagAt, TicketSize)
	b[0], b[1], b[2] = Mark, ticketVersion, byte(leg)
	binary.BigEndian.PutUint64(b[expiryAt:], uint64(expiry.Unix()))
	copy(b[circuitAt:], circuit[:])
	return append(b, tag(key, b, end, other)...)
}

func tag(key, head []byte, end, other uuid.UUID) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(head[:tagAt])
	mac.Write(end[:])
	mac.Write(other[:])
	return mac.Sum(nil)
}

// parseTicket returns which leg of which circuit a ticket is for, before its tag is checked.
func parseTicket(ticket []byte, now time.Time) (leg int, circuit name, err error) {
	if len(ticket) != TicketSize || ticket[0] != Mark || ticket[1] != ticketVersion || ticket[2] > 1 ||
		[5]byte(ticket[3:]) != [5]byte{} || binary.BigEndian.Uint64(ticket[expiryAt:]) < uint64(now.Unix()) {
		return 0, name{}, ErrTicket
	}
	return int(ticket[2]), name(ticket[circuitAt:]), nil
}
