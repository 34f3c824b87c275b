package beacon

import (
	"encoding/binary"

	"github.com/google/uuid"
)

// A beacon of version 1 is "ZRE", the version, the UUID and the port in network
// order (RFC 36, "Discovery"). Version 3, of Zyre's secure nodes, appends a
// CURVE public key.
const (
	prefix       = "ZRE"
	version      = 0x01
	size         = 22
	curveVersion = 0x03
	curveSize    = size + 32
)

// kind is what a datagram was found to be.
type kind uint8

const (
	kindMalformed kind = iota
	kindPlain          // version 1
	kindCurve          // version 3: known, but not for a node without CURVE
)

// encode returns the datagram that announces id at port; port 0 is goodbye.
func encode(id uuid.UUID, port uint16) []byte {
	b := make([]byte, 0, size)
	b = append(b, prefix...)
	b = append(b, version)
	b = append(b, id[:]...)
	return binary.BigEndian.AppendUint16(b, port)
}

// decode is the inverse of encode. It gives id and port for kindPlain only.
func decode(b []byte) (k kind, id uuid.UUID, port uint16) {
	switch {
	case len(b) < size || string(b[:len(prefix)]) != prefix:
		return kindMalformed, uuid.Nil, 0
	case b[3] == curveVersion && len(b) == curveSize:
		return kindCurve, uuid.Nil, 0
	case b[3] != version || len(b) != size:
		return kindMalformed, uuid.Nil, 0
	}
	return kindPlain, uuid.UUID(b[4:20]), binary.BigEndian.Uint16(b[20:])
}
