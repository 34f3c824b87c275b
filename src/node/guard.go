package node

import (
	"cmp"
	"encoding/binary"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/identity"
)

// guard is how a node protects itself. It is settled at the start.
type guard struct {
	identity *identity.Identity // nil for none
	trust    *identity.Trust
	secure   bool // CURVE is on each connection
}

// arm settles how the node protects itself, and so who it is.
func (n *Node) arm() (err error) {
	s := &n.settings
	member := s.identity.Token() != nil
	security, trust := s.security, s.trust
	if security == 0 {
		security = api.NodeSecurityAuto
		if member {
			security = api.NodeSecuritySecure
		}
	}
	if trust == 0 {
		trust = api.NodeTrustOpen
		if member && security != api.NodeSecurityPlain {
			trust = api.NodeTrustMembers
		}
	}
	if security == api.NodeSecurityPlain {
		if s.chosen || trust != api.NodeTrustOpen || len(s.sealed) > 0 {
			return api.ErrNoIdentity
		}
		return nil
	}
	if trust == api.NodeTrustMembers && !member {
		return api.ErrMembers
	}
	n.identity, n.secure = s.identity, security == api.NodeSecuritySecure
	if n.trust, err = identity.NewTrust(trust, s.identity); err != nil {
		return err
	}
	if trust == api.NodeTrustMembers {
		n.name = s.identity.MemberName()
	}
	return nil
}

// reborn settles who the node is in this life.
func (n *Node) reborn() (incarnation uint64, err error) {
	n.id = n.uuid()
	n.name = cmp.Or(n.name, strings.ToUpper(n.id.String()[:6]))
	now := n.wall()
	if n.identity == nil {
		return uint64(now.UnixNano()), nil
	}
	if incarnation, err = n.take(now); err != nil {
		return 0, err
	}
	n.sessions.Store(incarnation)
	if _, err = n.identity.Issue(incarnation, now); err != nil {
		n.release()
	}
	return incarnation, err
}

// take takes the identity for this node alone, and returns the number of this life. What
// its directory cannot be told of that is no reason not to start.
func (n *Node) take(now time.Time) (incarnation uint64, err error) {
	held := n.identity.Hold()
	if errors.Is(held, identity.ErrInUse) {
		return 0, held
	}
	incarnation, err = n.identity.Incarnation(now)
	if incarnation == 0 {
		n.identity.Release()
		return 0, err
	}
	if why := cmp.Or(held, err); why != nil {
		n.remark(slog.LevelWarn, "the directory of the identity cannot be told of this start, and so keeps no second node from starting with it: "+why.Error())
	}
	return incarnation, nil
}

// release gives the identity back.
func (n *Node) release() {
	if n.identity != nil {
		n.identity.Release()
	}
}

// card returns the octets of the node's card, or nil.
func (n *Node) card() []byte {
	if n.identity == nil {
		return nil
	}
	return n.identity.Card().Octets()
}

// properties returns what the node shows in the handshake of one connection: a nonce,
// in which of its lives it is, and if the connection has CURVE, who it is.
func (n *Node) properties() map[string][]byte {
	shown := map[string][]byte{
		propertyNonce:       newNonce(),
		propertyIncarnation: binary.BigEndian.AppendUint64(nil, n.incarnation),
	}
	if !n.secure {
		return shown
	}
	shown[propertyCard] = n.card()
	if token := n.identity.Token(); token != nil {
		shown[propertyToken] = token.Octets()
	}
	return shown
}

// beaconKey is publicKey for announcements, where zeros are none.
func (n *Node) beaconKey() (key [32]byte) {
	if own := n.publicKey(); own != nil {
		key = *own
	}
	return key
}

// publicKey returns the node's public key of CURVE if its connections have that.
func (n *Node) publicKey() *[32]byte {
	if !n.secure {
		return nil
	}
	return new([32]byte(n.identity.Transport().PublicKey().Bytes()))
}
