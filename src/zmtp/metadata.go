package zmtp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Socket types that we are. Others may connect to these (RFC 37, "The
// Socket-Type Property").
const (
	Dealer = "DEALER"
	Router = "ROUTER"
)

// MaxIdentity is the most octets that an identity may have.
const MaxIdentity = 255

// maxProperties is the most properties that a READY may have.
const maxProperties = 32

// Metadata is what a side says of itself when it is ready.
type Metadata struct {
	Type     string            // socket type
	Identity []byte            // at most 255 octets, the first not zero; may be empty
	Others   map[string][]byte // further properties by lower-case name; nil if there are none
	Partial  bool              // the far side may have told others: a driver that is not ours does not say
}

// Compatible says whether a socket of our type may talk to one of theirs.
func Compatible(ours, theirs string) bool {
	both := (ours == Dealer || ours == Router) && (theirs == Dealer || theirs == Router)
	return both || ours == Dealer && theirs == "REP" || ours == Router && theirs == "REQ"
}

// append appends the data of a READY: socket type, identity and the others.
func (m *Metadata) append(b []byte) []byte {
	b = appendProperty(b, "Socket-Type", []byte(m.Type))
	b = appendProperty(b, "Identity", m.Identity)
	for _, name := range slices.Sorted(maps.Keys(m.Others)) {
		b = appendProperty(b, name, m.Others[name])
	}
	return b
}

func appendProperty(b []byte, name string, value []byte) []byte {
	b = append(b, byte(len(name)))
	b = append(b, name...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(value)))
	return append(b, value...)
}

// parseMetadata reads the data of a READY, whose length has been limited.
func parseMetadata(b []byte) (*Metadata, error) {
	m := &Metadata{}
	seen := make(map[string][]byte)
	for len(b) > 0 {
		named, rest, err := splitName(b, "0123456789-_.+")
		if err != nil {
			return nil, err
		}
		name := strings.ToLower(string(named))
		if len(rest) < 4 || uint64(binary.BigEndian.Uint32(rest)) > uint64(len(rest)-4) {
			return nil, fmt.Errorf("%w: property %s cut short", ErrProtocol, quote(name))
		}
		if _, twice := seen[name]; twice || len(seen) == maxProperties {
			return nil, fmt.Errorf("%w: property %s is one too many", ErrProtocol, quote(name))
		}
		size := 4 + int(binary.BigEndian.Uint32(rest))
		seen[name], b = rest[4:size:size], rest[size:]
	}
	m.Type, m.Identity = string(seen["socket-type"]), bytes.Clone(seen["identity"]) // it outlives the rest
	if len(m.Identity) > MaxIdentity || len(m.Identity) > 0 && m.Identity[0] == 0 {
		return nil, fmt.Errorf("%w: identity not allowed", ErrProtocol)
	}
	delete(seen, "socket-type")
	delete(seen, "identity")
	if len(seen) > 0 {
		m.Others = seen
	}
	return m, nil
}
