// Package identity says who a node is, and whom to believe.
//
// An identity is an Ed25519 key. The id of its node is made from the public key,
// so that nobody else can claim it, and stays the same for as long as the key is
// kept. A card, which the identity signs, binds to the id the keys that are used
// with it for a while: one for the transport (CURVE) and one that content is sealed
// for (HPKE). The messages are modelled in api/protocol/once_card.xml.
//
// What comes from outside is checked in the order of what a check costs: sizes and
// the one encoding that a card can have, its time, the id that it should be of,
// and only then the signature.
package identity
