package wan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncerecord"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/client"
)

// stay is the node's stay with one server, in one network there.
type stay struct {
	*client.Client
	text   string        // of the address, which is a secret
	leaves chan struct{} // closed when it is to end

	leaving bool // it is; guarded as stays.with is
}

// servers are those with whom the node stays at one moment, and what they say together. The
// list does not change.
type servers []*stay

// each does something with each.
func (list servers) each(do func(*client.Client)) {
	for _, s := range list {
		do(s.Client)
	}
}

// tells returns the first of those whose servers tell of a peer, nil for none.
func (list servers) tells(peer uuid.UUID) *client.Client {
	if tellers := list.tellers(peer); len(tellers) > 0 {
		return tellers[0]
	}
	return nil
}

// tellers returns the clients whose servers tell of a peer. Those that are there come first,
// and of those the ones that lend circuits.
func (list servers) tellers(peer uuid.UUID) (tellers []*client.Client) {
	worth := map[*client.Client]int{}
	for _, s := range list {
		if s.Peer(peer) == nil {
			continue
		}
		state := s.State()
		if state.Trouble == "" {
			worth[s.Client] = 2
		}
		if state.Relays {
			worth[s.Client]++
		}
		tellers = append(tellers, s.Client)
	}
	slices.SortStableFunc(tellers, func(a, b *client.Client) int { return worth[b] - worth[a] })
	return tellers
}

// networks returns the numbers of the networks that the node is in.
func (list servers) networks() (numbers []rendezvous.Number) {
	for _, s := range list {
		if number, known := s.Network(); known {
			numbers = append(numbers, number)
		}
	}
	return numbers
}

// known returns those whom the servers tell of and the network's SECRET shows, each once, in
// the order of their ids.
func (list servers) known() (peers []*client.Peer) {
	for _, s := range list {
		for _, p := range s.Peers() {
			if p.Inside != nil {
				peers = append(peers, p)
			}
		}
	}
	slices.SortFunc(peers, func(a, b *client.Peer) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return slices.CompactFunc(peers, func(a, b *client.Peer) bool { return a.ID == b.ID })
}

// met returns what is to be kept of a peer that is present, nil if no server tells of it.
func (list servers) met(peer uuid.UUID) *acquaintance {
	for _, s := range list {
		p := s.Peer(peer)
		if p == nil || p.Inside == nil {
			continue
		}
		if network, known := s.Network(); known {
			who := &acquaintance{network: network, card: p.Card, met: time.Now(), groups: p.Inside.Groups}
			for _, e := range p.Dialable(s.State().Observed) {
				who.endpoints = append(who.endpoints, e.Bare())
			}
			who.endpoints = who.endpoints[:min(len(who.endpoints), oncerecord.MaxAcquaintanceEndpoints)]
			return who
		}
	}
	return nil
}

// states returns how things stand with each, by its public address.
func (list servers) states() map[string]client.State {
	states := map[string]client.State{}
	for _, s := range list {
		states[s.Address.Public()] = s.State()
	}
	return states
}

// dialBack has a server connect to a port of the network's address.
func (list servers) dialBack(ctx context.Context, port uint16) (endpoint string, err error) {
	err = client.ErrAway
	for _, s := range list {
		if at, fault := s.DialBack(ctx, port); fault == nil {
			return at, nil
		} else if !errors.Is(fault, client.ErrAway) {
			err = fmt.Errorf("%s: %w", s.Address.Public(), fault)
		}
	}
	return "", err
}
