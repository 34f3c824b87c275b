// Package seal protects content from one node to another, or to a group, over
// whatever lies between them: only they can open it, and they know whose it is.
// The messages and the construction are modelled in api/protocol/once_seal.xml.
// Every part is a standard one, out of Go's own packages.
//
// # Sessions
//
// A session goes one way. Its sender encapsulates a secret for the sealing key that
// the receiver's card names by HPKE (RFC 9180), and signs that with its identity: base
// mode with a signature, because HPKE's own authenticated modes need a key for key
// agreement where an identity has one for signatures, and would let who steals the
// receiver's key pretend to be any sender. The encapsulation is MLKEM768-X25519
// (X-Wing, draft-connolly-cfrg-xwing-kem), because what is recorded today must
// not open to a quantum computer later. The cards of both sides, a challenge of
// the receiver and the number of the session go into the key and under the
// signature: an OPEN is of use for nobody else, and not again.
//
// HPKE only exports the key. Messages are sealed with AES-256-GCM (NIST SP
// 800-38D) by numbers that they carry, where HPKE would count (RFC 9180, section
// 5.2): relays may lose and reorder. The nonce of a message is made of its number
// as HPKE and TLS 1.3 do it, so that none comes twice; a window of the last 64
// numbers (RFC 4303, section 3.4.3) opens each message once.
//
// # Groups
//
// What is for a group is sealed once, with the sender keys of Signal and others
// (Balbás, Collins and Gajland, arXiv 2301.07045). A sender has a chain, from which
// each message takes a key before the chain moves on. It gives its members the chain
// as it is then, each in a session. When a member has gone, it draws it anew.
//
// Who has a chain could speak as the sender. Signal's senders therefore sign each
// message. Here each receiver gets a copy of its own anyway, and beside it the
// digest of the message, sealed in the sender's session with that receiver: it costs
// far less than a signature, and convinces nobody else. A relay that spreads a message
// has to carry a PROOF for each receiver.
//
// # What is protected
//
//   - Content: only the receiver, or who had the sender's KEY, can open it.
//   - Origin: it is by the identity that opened the session, or proved it in one.
//   - Replay: nothing opens twice, in another session, or for another group.
//   - The past. Sealing keys are forgotten when the cards that name them expire,
//     the key of a session with its [Sender] and [Receiver] (see [MaxAge]), that of
//     a group's message with the message: who breaks into a node opens nothing
//     that was said before the oldest of the keys that it then holds.
//
// # What is not
//
//   - Who was a member keeps what it was told, and SECRETs of servers with it: package
//     rendezvous says what it sees by those until the others go by new ones.
//   - Sizes, times, and who talks with whom. A group's name is in SHOUT beside the
//     sealed content, and presence, names and headers are not sealed at all.
//   - Delivery: a relay can keep messages back, or change their order within the
//     windows. Gaps are seen in the numbers, not by the application.
//   - The future of who was broken into: a sealing key opens sessions, and speaks
//     in them, until cards with it expire; a chain opens what follows until the next
//     draw. What can be overwritten is, but Go may have copied keys in memory.
//   - That all members of a group hear the same: a sender may give each another KEY.
//   - Denial: an OPEN proves to anybody that its sender opened a session to that card.
//
// What does not open is an error for the receiver alone. Nothing tells the sender.
//
// No type here is safe for use by several goroutines at once: the caller locks.
//
// Programs import bindings/go/once: what is here may change at any time.
package seal

import "errors"

// What is wrong with what somebody sent, for use with errors.Is.
var (
	ErrMalformed = errors.New("not as the protocol has it")
	ErrReplay    = errors.New("came before, or too late")
	ErrKey       = errors.New("for a key that is not known, or not any more")
	ErrForged    = errors.New("does not open, or is not proved by its sender")
	ErrGap       = errors.New("too many messages are missing before this one")
)
