// Package beacon lets nodes of one network find each other without a server:
// each broadcasts a small datagram with its UUID and TCP port, and its key if it
// speaks CURVE, and hears those of the others (RFC 36 and 43, "Discovery"). It also
// tells which network interfaces can be used for that.
//
// A sighting proves nothing: anyone on the network can send any beacon, with any
// key. It is a hint where to connect, and the conversation there decides.
//
// Programs import bindings/go/once: what is here may change at any time.
package beacon

import (
	"encoding/binary"
	"errors"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/sight"
)

// ErrAnnouncement is returned for an announcement without id, port or interval.
var ErrAnnouncement = errors.New("beacon: an announcement needs an id, a port and an interval")

func check(a sight.Announcement) error {
	if a.ID == uuid.Nil || a.Port == 0 || a.Interval <= 0 {
		return ErrAnnouncement
	}
	return nil
}

// A beacon of version 1 is "ZRE", the version, the UUID and the port in network
// order (RFC 36, "Discovery"). Version 3, of nodes that speak CURVE, appends the
// octets of their public key (RFC 43, "Discovery").
const (
	prefix       = "ZRE"
	plainVersion = 0x01
	plainSize    = 22
	keyedVersion = 0x03
	keyedSize    = plainSize + 32
)

var noKey [32]byte

// encode returns the datagram that announces id at port; port 0 is goodbye.
func encode(id uuid.UUID, port uint16, key [32]byte) []byte {
	b := append(make([]byte, 0, keyedSize), prefix...)
	b = append(b, plainVersion)
	b = append(b, id[:]...)
	b = binary.BigEndian.AppendUint16(b, port)
	if key == noKey {
		return b
	}
	b[len(prefix)] = keyedVersion
	return append(b, key[:]...)
}

// decode is the inverse of encode. Who says that it has a key must show it, or
// else it would pass for a node without; only goodbye needs none.
func decode(b []byte) (id uuid.UUID, port uint16, key [32]byte, ok bool) {
	plain := len(b) == plainSize && b[3] == plainVersion
	keyed := len(b) == keyedSize && b[3] == keyedVersion
	if !plain && !keyed || string(b[:len(prefix)]) != prefix {
		return id, port, key, false
	}
	copy(key[:], b[plainSize:])
	port = binary.BigEndian.Uint16(b[20:])
	return uuid.UUID(b[4:20]), port, key, plain || port == 0 || key != noKey
}
