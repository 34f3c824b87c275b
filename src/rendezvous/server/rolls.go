package server

import (
	"crypto/ed25519"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/identity"
)

// RollKeeper keeps rolls where they outlive the server.
type RollKeeper interface {
	Load(network ed25519.PublicKey) ([]byte, error) // nothing if there is none
	Save(network ed25519.PublicKey, roll []byte) error
}

// maxRolls is of how many networks, beside those of the policy, the rolls are known.
const maxRolls = 256

// rolls are the latest of each network, as far as the server has been shown them. They are
// under the lock of the server.
type rolls struct {
	keeper RollKeeper
	latest map[string]*roll // by the network's key
}

// roll is what the server needs of one.
type roll struct {
	rank    identity.Rank
	revoked map[uuid.UUID]time.Time
	kept    bool // the network is one of the policy
}

func newRolls(keeper RollKeeper, networks []ed25519.PublicKey) (rolls, error) {
	r := rolls{keeper, map[string]*roll{}}
	return r, r.keep(networks)
}

// keep has the rolls of some networks be kept for ever.
func (r *rolls) keep(networks []ed25519.PublicKey) error {
	for _, network := range networks {
		if r.latest[string(network)] != nil {
			r.latest[string(network)].kept = true
			continue
		}
		kept := &roll{kept: true}
		if r.keeper != nil {
			octets, err := r.keeper.Load(network)
			if err != nil {
				return err
			}
			if len(octets) > 0 {
				parsed, err := identity.ParseBareRoll(octets)
				if err != nil {
					return err
				}
				kept.rank, kept.revoked = parsed.Rank(), parsed.Revoked
			}
		}
		r.latest[string(network)] = kept
	}
	return nil
}

// number returns the number of a network's roll, 0 for none.
func (r *rolls) number(network ed25519.PublicKey) uint64 {
	if known := r.latest[string(network)]; known != nil {
		return known.rank.Number
	}
	return 0
}

func (r *rolls) voids(t *identity.Token) bool {
	known := r.latest[string(t.Network)]
	if known == nil {
		return false
	}
	until, revoked := known.revoked[t.Member]
	return revoked && !t.NotBefore.After(until)
}

// take takes a roll if it is later than the one that is known, and revokes whom that does.
// It tells whether it did.
func (r *rolls) take(n *identity.Roll) (taken bool, err error) {
	known := r.latest[string(n.Network)]
	if known == nil {
		r.forget()
		known = new(roll)
	} else if n.Rank().Compare(known.rank) <= 0 {
		return false, nil
	}
	for id, until := range known.revoked {
		if now, still := n.Revoked[id]; !still || now.Before(until) {
			return false, identity.ErrForgets
		}
	}
	known.rank, known.revoked = n.Rank(), n.Revoked
	r.latest[string(n.Network)] = known
	if known.kept && r.keeper != nil {
		return true, r.keeper.Save(n.Network, n.Octets())
	}
	return true, nil
}

// forget makes room for another network's roll.
func (r *rolls) forget() {
	for network, known := range r.latest {
		if len(r.latest) < maxRolls {
			return
		}
		if !known.kept {
			delete(r.latest, network)
		}
	}
}
