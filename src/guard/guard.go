// Package guard decides what a node shows of itself and whom it lets in: it presents
// the node in handshakes and greetings, vets what others show there, bounds what
// strangers cost, and remembers who was refused and who refuses us.
//
// Programs import bindings/go/once: what is here may change at any time.
package guard

import (
	"cmp"
	"crypto/ecdh"
	"encoding/binary"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/zre"
)

// Config is what a node is told of how to protect itself.
type Config struct {
	Identity *identity.Identity
	Chosen   bool             // the identity is the application's
	Security api.NodeSecurity // 0 for the default
	Trust    api.NodeTrust    // 0 for the default
	Sealed   bool             // there are groups in which nothing plain is said
	Name     string           // empty for the first six digits of the id
	Curve    *ecdh.PrivateKey // the key to use in place of the identity's; nil for that
	Plain    uuid.UUID        // the id of a node without identity
	Wall     func() time.Time // what cards are dated by

	Strangers  int // that may wait at a time; 0 is the default of the model
	PerAddress int // of one address; 0 likewise

	Log  *slog.Logger
	Warn func(text string) // told of what is wrong and no reason not to start
}

// Level is how well a node is to be protected. More is higher.
type Level struct {
	Security api.NodeSecurity
	Trust    api.NodeTrust
}

// Level returns what is asked for, with the defaults, which depend on the identity.
func (c *Config) Level() Level {
	member := c.Identity.Token() != nil
	l := Level{c.Security, c.Trust}
	if l.Security == 0 {
		l.Security = api.NodeSecurityAuto
		if member {
			l.Security = api.NodeSecuritySecure
		}
	}
	if l.Trust == 0 {
		l.Trust = api.NodeTrustOpen
		if member && l.Security != api.NodeSecurityPlain {
			l.Trust = api.NodeTrustMembers
		}
	}
	return l
}

// Guard is how a node protects itself, and so who it is. Its methods are safe for
// concurrent use.
type Guard struct {
	ID          uuid.UUID
	Incarnation uint64             // higher at each start
	Identity    *identity.Identity // nil for none
	Level       Level
	Secure      bool // CURVE is on each connection

	Sightings Refusals // of nodes that are only said to be somewhere
	Meetings  Refusals // of those that have said something themselves
	Names     *Names
	Shuns     Shuns
	Twins     Twins
	Throttle  *Throttle

	name    string
	members bool // it trusts members only, and so goes by the name that the network gives it
	trust   *identity.Trust
	wall    func() time.Time
	log     *slog.Logger
	serial  atomic.Uint64
}

// New settles how a node protects itself, and takes its identity for it alone until
// Release.
func New(c Config) (*Guard, error) {
	g := &Guard{name: c.Name, Names: newNames(), Throttle: newThrottle(c.Strangers, c.PerAddress), wall: c.Wall, log: c.Log}
	if err := g.arm(&c); err != nil {
		return nil, err
	}
	g.ID = c.Plain
	if g.Identity != nil {
		g.ID = g.Identity.UUID()
	}
	if err := g.begin(c.Curve, c.Warn); err != nil {
		return nil, err
	}
	return g, nil
}

// arm settles how the node protects itself.
func (g *Guard) arm(c *Config) (err error) {
	g.Level = c.Level()
	security, trust := g.Level.Security, g.Level.Trust
	if security == api.NodeSecurityPlain {
		if c.Chosen || c.Curve != nil || trust != api.NodeTrustOpen || c.Sealed {
			return api.ErrNoIdentity
		}
		return nil
	}
	g.Identity, g.Secure, g.members = c.Identity, security == api.NodeSecuritySecure, trust == api.NodeTrustMembers
	g.trust, err = identity.NewTrust(trust, c.Identity)
	return err
}

// begin takes the identity for this node alone, and settles which of its lives this is.
func (g *Guard) begin(curve *ecdh.PrivateKey, warn func(string)) (err error) {
	now := g.wall()
	if g.Identity == nil {
		g.Incarnation = uint64(now.UnixNano())
		return nil
	}
	held := g.Identity.Hold()
	if errors.Is(held, identity.ErrInUse) {
		return held
	}
	g.Incarnation, err = g.Identity.Incarnation(now)
	if g.Incarnation != 0 {
		if why := cmp.Or(held, err); why != nil { // no reason not to start
			warn("the directory of the identity cannot be told of this start, and so keeps no second node from starting with it: " + why.Error())
		}
		g.serial.Store(g.Incarnation)
		g.Identity.Lend(curve)
		_, err = g.Identity.Issue(g.Incarnation, now)
	}
	if err != nil {
		g.Release()
	}
	return err
}

// Release gives the identity back.
func (g *Guard) Release() {
	if g.Identity != nil {
		g.Identity.Release()
	}
}

// Serial returns a number for a greeting or a session, higher each time, and than all of
// earlier lives.
func (g *Guard) Serial() uint64 { return g.serial.Add(1) }

// Freshen renews the node's card if that is due, and returns it, or nil. Whoever is about
// to show it calls it: just after the machine has slept the next look may be far.
func (g *Guard) Freshen() *identity.Card {
	if g.Identity == nil {
		return nil
	}
	if err := g.Identity.Renew(g.wall()); err != nil {
		g.log.Error("the card cannot be renewed", "error", err)
	}
	return g.Identity.Card()
}

// Introduction returns what the node shows in the handshake of one connection that is made
// to it: Properties and its name. Over CURVE that is said to who was let in.
func (g *Guard) Introduction(beyond bool) map[string][]byte {
	shown := g.Properties(beyond)
	shown[PropertyName] = []byte(g.Name())
	return shown
}

// Properties returns what the node shows in the handshake of one connection: a nonce, in
// which of its lives it is, on a plain connection its name, and if the connection has CURVE,
// as all have that lead beyond the LAN, who it is.
func (g *Guard) Properties(beyond bool) map[string][]byte {
	shown := map[string][]byte{
		PropertyNonce:       NewNonce(),
		PropertyIncarnation: binary.BigEndian.AppendUint64(nil, g.Incarnation),
	}
	if !g.Secure && !beyond {
		shown[PropertyName] = []byte(g.Name())
		return shown
	}
	shown[PropertyCard] = g.Identity.Card().Octets()
	if token, roll := g.Identity.Membership(); token != nil {
		shown[propertyToken] = token.Bare()
		if len(roll.Moves) > 0 {
			shown[propertyMoves] = roll.Moves
		}
	}
	return shown
}

// PublicKey returns the node's public key of CURVE if its connections have that, or nil.
func (g *Guard) PublicKey() *[32]byte {
	if !g.Secure {
		return nil
	}
	return new([32]byte(g.Identity.Transport().PublicKey().Bytes()))
}

// Name returns the node's public name: among members the one that the network gives it.
func (g *Guard) Name() string {
	if g.members {
		return g.Identity.MemberName()
	}
	return cmp.Or(g.name, strings.ToUpper(g.ID.String()[:6]))
}

// Recheck returns what makes a peer that is present a member, nil if nothing does, or why
// the peer may be present no longer.
func (g *Guard) Recheck(p *zre.Peer, now time.Time) (*identity.Token, error) {
	badge := p.Badge()
	claim := identity.Claim{ID: p.UUID(), Name: p.Name(), Card: badge.Card, Moves: badge.Moves, Key: badge.Key}
	if badge.Token != nil {
		claim.Token = badge.Token.Octets()
	}
	if err := badge.Valid(now); err != nil {
		return nil, err
	}
	return g.trust.Check(claim, now)
}

// Roll returns what the node's network says of its members, nil if it is in none. What is
// in the files of the identity counts.
func (g *Guard) Roll() *identity.Roll {
	if g.Identity == nil {
		return nil
	}
	if err := g.trust.Refresh(); err != nil {
		g.log.Error("the files of the identity cannot be read", "error", err)
	}
	return g.Identity.Roll()
}
