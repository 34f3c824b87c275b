package identity

import (
	"bytes"
	"errors"
	"time"
)

// Courier returns an identity in memory that is a member for an hour: it brings the roll
// and the addresses of servers to the others, those too who know only former ones.
func (n *Network) Courier() (*Identity, error) {
	b, err := n.read()
	if err != nil {
		return nil, err
	}
	i, err := New()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	i.roll, i.list, i.errand = b.latest, &b.servers, b.servers.former
	i.token, err = newToken(n.key, "once-"+i.id.String()[:6], nil, i.id, now, now.Add(time.Hour))
	return i, err
}

// Inform has the identity in a directory, which is a member, keep the network's roll, and the
// addresses that it vouches for, and returns it as one that brings them to the others. One whose
// roll is later, or contradicts it, is left as it is.
func (n *Network) Inform(dir string) (*Identity, error) {
	b, err := n.read()
	if err != nil {
		return nil, err
	}
	who, err := Load(dir)
	if err != nil {
		return nil, err
	}
	who.errand = b.servers.former
	if _, err = who.Take(b.latest); errors.Is(err, ErrForgets) {
		return who, nil // what the members know is asked of them
	} else if err != nil {
		return nil, err
	}
	_, lacks, err := who.Listed()
	if err == nil && lacks && bytes.Equal(vouched(b.servers.now), who.Roll().Vouched) {
		err = who.TakeServers(b.servers.now)
	}
	if err != nil {
		return nil, err
	}
	return who, nil
}
