package node

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/client"
	"github.com/sjohnr/at-once/src/site"
	"github.com/sjohnr/at-once/src/wan"
)

// stays returns the servers that the node stays with: those that it was given, else those that
// its identity has from other members. Of what it was given an address counts no more whose
// SECRET the network has replaced.
func (s *base) stays() (list []rendezvous.Address, err error) {
	who := s.guard.Identity
	switch {
	case len(s.rendezvous) > 0 && who == nil:
		return nil, api.ErrNoIdentity
	case who == nil || s.homebound:
		return s.rendezvous, nil
	}
	former, err := addressesOf(who.FormerServers())
	for _, given := range s.rendezvous {
		if slices.ContainsFunc(former, func(a rendezvous.Address) bool { return a.Key == given.Key && a.Secret == given.Secret }) {
			s.warn("the address of " + strings.Join(given.Hosts, ",") + " that this node was given has a secret that the network has replaced: the node goes by what the network has now")
			continue
		}
		list = append(list, given)
	}
	if len(list) == len(s.rendezvous) && len(list) > 0 {
		return list, err
	}
	own, fault := addressesOf(who.Meets())
	for _, address := range own {
		if !slices.ContainsFunc(list, func(a rendezvous.Address) bool { return a.Key == address.Key && a.Secret == address.Secret }) {
			list = append(list, address)
		}
	}
	return list, errors.Join(err, fault)
}

// addressesOf returns the addresses that texts are.
func addressesOf(texts []string, err error) (list []rendezvous.Address, _ error) {
	for _, text := range texts {
		address, fault := rendezvous.ParseAddress(text)
		list, err = append(list, address), errors.Join(err, fault)
	}
	return list, err
}

// access returns the node's access to what lies beyond its LAN, nil if it stays with no server.
func (s *base) access(at *site.Site) (*wan.Access, error) {
	list, err := s.stays()
	if err != nil || len(list) == 0 {
		return nil, err
	}
	who := s.guard.Identity
	c := wan.Config{
		Servers: list, Identity: who, Members: s.guard.Level.Trust == api.NodeTrustMembers,
		Transport: s.world.Transport, Listen: at.Anyport(), Here: at.Here(),
		Kept: wan.NewKept(), Strangers: s.guard.Throttle.Strangers(),
		Linger: s.Linger, Random: s.world.Random, Log: s.settings.log, Count: s.count,
	}
	if dir := who.Directory(); dir != "" {
		pins, err := client.OpenPins(filepath.Join(dir, pinFile))
		if err != nil {
			return nil, err
		}
		c.Pins = pins
		if c.Kept, err = wan.OpenKept(filepath.Join(dir, keptFile)); err != nil {
			s.warn(fmt.Sprintf("whom this node has met is not known, so it needs a server to meet them again: %v", err))
		}
	}
	return wan.Listen(s.ctx, c)
}

// Where a node with a directory keeps what it knows of servers, and whom it has met beyond its
// LAN.
const (
	pinFile  = "server-pins"
	keptFile = "acquaintances"
)
