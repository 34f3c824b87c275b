// Package identity says who a node is, and whom to believe.
//
// An identity is an Ed25519 key. The id of its node is made from the public key,
// so that nobody else can claim it, and stays the same for as long as the key is
// kept. A card, which the identity signs, binds to the id the keys that are used
// with it for a while: one for the transport (CURVE), and one that content is sealed
// for (HPKE), which is long: the card has its digest only. The messages are modelled in api/protocol/once_card.xml.
//
// An identity may live in a directory, which is for one node at a time:
//
//	identity.key                          the key, in Z85
//	transport.cert, transport.cert_secret the key for CURVE, as CZMQ's zcert has it
//	incarnation                           the latest
//	in-use                                which process runs a node with it, if the file is locked
//	token                                 what made it a member of a network
//	roll                                  what the network says of its members, this one too
//	trust                                 whose the names are
//	peers/*.cert                          who needs no card: certificates as zauth has them
//	servers                               where its network's servers are, with their SECRETs
//	lock                                  held by who changes the directory
//
// A network is another Ed25519 key, in a directory of its own: network.key; in members its
// roll, the latest token of each member, the addresses of its servers, and the seeds of
// invites that were not taken yet;
// and in moved the key that it has now, if that is another. What is secret is for its owner alone, and
// nothing may be written by others; where that is not so, nothing is read. Programs
// that change a directory at the same time wait for each other with a file lock. One
// that cannot be changed can be used, but no second node is kept from using it too.
//
// What comes from outside is checked in the order of what a check costs: sizes and
// the one encoding that a card can have, its time, the id that it should be of,
// and only then the signature.
//
// Programs import bindings/go/once: what is here may change at any time.
package identity

import (
	"errors"

	"github.com/sjohnr/at-once/generated/go/api"
)

// What is wrong with what somebody shows, for use with errors.Is.
var (
	ErrMalformed = api.ErrMalformed
	ErrForged    = api.ErrForged
	ErrExpired   = api.ErrExpired
	ErrStranger  = api.ErrStranger
)

// Why somebody is not believed.
var (
	ErrNoCard = errors.New("no card: who has such an id or key must show one, or have a certificate here")
	ErrKey    = errors.New("the connection's key is not the card's: somebody stands in between")
	ErrPinned = errors.New("the name belongs to somebody else")
	ErrMember = errors.New("not a member of our network")
	// ErrTakenBack says why besides ErrMember.
	ErrTakenBack = errors.New("the network has revoked its membership")

	ErrMoved      = errors.New("the network's old key has moved it to two others: somebody else has that key too; ask who made the network which one is right")
	ErrForgets    = errors.New("two rolls of the network contradict each other: one does not revoke whom the other does; its key was restored from an old backup, or is used in two places")
	ErrLeftBehind = errors.New("the network has another key now, and has not taken this member along: ask for another invite")
)

// What keeps files from being read or written.
var (
	ErrExists  = api.ErrExists
	ErrInUse   = api.ErrInUse
	ErrMode    = api.ErrMode
	ErrNetwork = api.ErrNetwork
	ErrName    = api.ErrName
	ErrRevoked = api.ErrRevoked
	ErrFull    = errors.New("there is no room for more")
)
