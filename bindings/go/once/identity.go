package once

import "github.com/sjohnr/at-once/bindings/go/libonce"

// Identity is who a node is. Its methods are safe for concurrent use.
type Identity = libonce.Identity

// OpenIdentity returns the identity in a directory, and makes it if there is none.
// An empty directory is a new identity in memory.
func OpenIdentity(directory string) (*Identity, error) {
	found, err := libonce.NewIdentity(directory)
	return found, named("OpenIdentity", err)
}

// LoadIdentity returns the identity in a directory, or fs.ErrNotExist.
func LoadIdentity(directory string) (*Identity, error) {
	found, err := libonce.IdentityLoad(directory)
	return found, named("LoadIdentity", err)
}

// JoinNetwork takes an invite to a network, with the identity that it brings or the one in
// the directory, which is made if it is missing.
func JoinNetwork(directory, invite string) (*Identity, error) {
	found, err := libonce.IdentityJoinAt(directory, invite)
	return found, named("JoinNetwork", err)
}

// NetworkKey is the secret key of a network, which makes members. Its methods are safe
// for concurrent use.
type NetworkKey = libonce.Network

// OpenNetwork returns the network in a directory, and makes it if there is none.
func OpenNetwork(directory string) (*NetworkKey, error) {
	found, err := libonce.NewNetwork(directory)
	return found, named("OpenNetwork", err)
}

// LoadNetwork returns the network in a directory, or fs.ErrNotExist.
func LoadNetwork(directory string) (*NetworkKey, error) {
	found, err := libonce.NetworkLoadNetwork(directory)
	return found, named("LoadNetwork", err)
}

// Security is how a node protects what it says.
type Security = libonce.NodeSecurity

// How a node protects what it says.
const (
	SecurityPlain  = libonce.NodeSecurityPlain  // not at all: for old networks and measurements
	SecurityAuto   = libonce.NodeSecurityAuto   // connections as Zyre's; content sealed where both have an identity
	SecuritySecure = libonce.NodeSecuritySecure // all connections encrypted; only who proves an identity comes in
)

// Trust is whom a node lets in.
type Trust = libonce.NodeTrust

// Whom a node lets in.
const (
	TrustOpen     = libonce.NodeTrustOpen     // whoever has an identity; with SecurityAuto, others too
	TrustFirstUse = libonce.NodeTrustFirstUse // the same, but a name belongs to who came with it first
	TrustMembers  = libonce.NodeTrustMembers  // the members of the identity's network
)

// Protection is what protects content on its way; see [Peer].Protection.
type Protection = libonce.PeerProtection

// What protects content on its way.
const (
	ProtectionPlain  = libonce.PeerProtectionPlain  // nothing
	ProtectionCurve  = libonce.PeerProtectionCurve  // an encrypted connection between proven keys
	ProtectionSealed = libonce.PeerProtectionSealed // encryption from end to end; who talks, when and in which group can be seen
)
