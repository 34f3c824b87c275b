package rendezvous

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/generated/go/oncerecord"
	"github.com/sjohnr/at-once/src/identity"
)

// What is wrong with what a node has left, or a server says that it has.
var (
	ErrMalformed = errors.New("not as once_record has it")
	ErrForged    = errors.New("the proof does not hold")
	ErrExpired   = errors.New("it has expired, or is valid for too long")
	ErrElsewhere = errors.New("it is of another network, or another incarnation than its card")
	ErrSealed    = errors.New("it does not open")
)

// Life is how long a record is valid, skew how far apart the times of two may be.
const (
	Life = oncemsg.MaxLife * time.Second
	skew = 2 * time.Minute
)

const recordPurpose = "once_record 1"

// Record is a record that was found to be right.
type Record struct {
	ID          uuid.UUID
	Incarnation uint64
	Serial      uint64
	Expiry      time.Time // by the server's clock
	Tags        []Tag
	inside      [sha256.Size]byte
}

// Newer tells whether a record counts rather than another, which may be nil.
func (r *Record) Newer(than *Record) bool {
	return than == nil || r.Incarnation > than.Incarnation ||
		r.Incarnation == than.Incarnation && r.Serial > than.Serial
}

// Publish makes the record of an identity, under its latest card, and seals its inside. In
// the lobby there is none, and tags are those of inside's groups and the network's. No two of
// an incarnation may have one serial.
func (k *Keys) Publish(own *identity.Identity, serial uint64, expiry time.Time, inside *oncerecord.Inside) (record, sealed []byte, err error) {
	card := own.Card()
	var tags []byte
	if !k.Lobby() {
		plain, err := inside.AppendTo(nil)
		if err != nil {
			return nil, nil, err
		}
		aead := k.inside(card.ID, card.Incarnation, serial)
		if sealed = aead.Seal(nil, make([]byte, aead.NonceSize()), plain, nil); len(sealed) > oncerecord.MaxEntrySealed {
			return nil, nil, fmt.Errorf("name, headers and groups are of %d octets with the rest, where a record has room for %d", len(sealed), oncerecord.MaxEntrySealed)
		}
		list := []Tag{k.Whole()}
		for _, group := range inside.Groups {
			list = append(list, k.Group(group))
		}
		tags = AppendTags(nil, list)
	}
	digest := sha256.Sum256(sealed)
	m := oncerecord.Record{
		Network: k.Number[:], Incarnation: card.Incarnation, Serial: serial, Expiry: uint64(expiry.Unix()),
		Tags: tags, Inside: digest[:],
	}
	record, err = own.Prove(recordPurpose, nil, &m, &m.Proof)
	return record, sealed, err
}

// ParseRecord returns the record that octets hold, if it is right, of the card and the
// network, belongs to what is sealed, and is valid now by the server's clock.
func ParseRecord(octets, sealed []byte, card *identity.Card, network Number, now time.Time) (*Record, error) {
	var m oncerecord.Record
	if err := m.Decode(octets, nil); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	tags, ok := ParseTags(m.Tags)
	switch expiry := int64(min(m.Expiry, 1<<40)); {
	case !ok || m.Serial == 0:
		return nil, fmt.Errorf("%w: tags or serial", ErrMalformed)
	case Number(m.Network) != network || m.Incarnation != card.Incarnation:
		return nil, ErrElsewhere
	case expiry <= now.Unix() || expiry > now.Add(Life+skew).Unix():
		return nil, ErrExpired
	case sha256.Sum256(sealed) != [sha256.Size]byte(m.Inside):
		return nil, fmt.Errorf("%w: what is sealed is another's", ErrForged)
	case !card.HasProved(recordPurpose, nil, octets):
		return nil, ErrForged
	}
	return &Record{
		ID: card.ID, Incarnation: m.Incarnation, Serial: m.Serial, Expiry: time.Unix(int64(m.Expiry), 0),
		Tags: tags, inside: [sha256.Size]byte(m.Inside),
	}, nil
}

// Open returns the inside of a record.
func (k *Keys) Open(r *Record, sealed []byte) (*oncerecord.Inside, error) {
	aead := k.inside(r.ID, r.Incarnation, r.Serial)
	plain, err := aead.Open(nil, make([]byte, aead.NonceSize()), sealed, nil)
	if err != nil {
		return nil, ErrSealed
	}
	inside := new(oncerecord.Inside)
	if err := inside.Decode(plain, nil); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return inside, nil
}
