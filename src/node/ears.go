package node

import (
	"cmp"
	"errors"
	"fmt"
	"net"

	"github.com/sjohnr/at-once/src/check"
	"github.com/sjohnr/at-once/src/gossip"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/site"
	"github.com/sjohnr/at-once/src/wan"
)

// ears are what a node hears others with: where it accepts connections, and the sources of
// sightings.
type ears struct {
	*base
	site     *site.Site
	listener net.Listener
	gossip   *gossip.Gossip // nil for none
	sources  []sight.Source
	wan      *wan.Access // nil for none
}

// listen has a node heard: it accepts connections, beacons and gossip from then on, for who
// is to take them.
func listen(s *base) (*ears, error) {
	at, err := site.Choose(site.Config{
		Interfaces: s.interfaces, Listen: s.endpoint, Port: s.udpPort(), Beacon: s.world.Beacon,
		Interval: s.Interval, Count: s.count, Notice: s.notice,
	})
	if err != nil {
		return nil, &check.SettingError{Setting: "Interfaces", Err: err}
	}
	e := &ears{base: s, site: at}
	if e.listener, err = s.world.Transport.Listen(s.ctx, at.Listen); err != nil {
		return nil, &check.SettingError{Setting: "Endpoint", Err: fmt.Errorf("cannot accept connections at %s: %w", at.Listen, err)}
	}
	if s.gossips() {
		e.gossip, err = gossip.Listen(s.ctx, gossip.Config{
			Bind: s.settings.gossip, Seeds: s.servers, Linger: s.Linger,
			Transport: s.world.Transport, Random: s.world.Random, Log: s.settings.log, Count: s.count,
		})
	}
	if err != nil {
		return nil, &check.SettingError{Setting: "GossipBind", Err: errors.Join(err, e.listener.Close())}
	}
	if err := at.Settle(s.ctx, e.listener.Addr()); err != nil {
		return nil, &check.SettingError{Setting: "BeaconPort", Err: errors.Join(err, e.listener.Close(), e.gossip.Close())}
	}
	if e.wan, err = s.access(at); err != nil {
		return nil, &check.SettingError{Setting: "Servers", Err: errors.Join(err, e.listener.Close(), e.gossip.Close())}
	}
	if at.Missing != nil {
		s.warn(fmt.Sprintf("waiting for an interface: %v", at.Missing))
	}
	if at.Beacon != nil {
		e.sources = append(e.sources, at.Beacon)
	}
	if e.gossip != nil {
		e.sources = append(e.sources, e.gossip)
	}
	return e, nil
}

// hear has the sources tell of others, and follows the host's interfaces; moved is called
// when there is one that was not there before.
func (e *ears) hear(sighted func([]sight.Sighting), moved func()) {
	told := e.announcement()
	for _, source := range e.sources {
		e.work.Go(func() {
			if err := source.Run(e.ctx, told, sighted); err != nil {
				e.settings.log.Error("nodes cannot find each other", "by", source.String(), "error", err)
			}
		})
	}
	e.work.Go(func() {
		e.site.Follow(e.ctx, func(more bool) {
			for _, source := range e.sources {
				source.Renew()
			}
			e.wan.Moved()
			if more {
				moved()
			}
		})
	})
}

// announcement is what the sources tell of the node.
func (e *ears) announcement() sight.Announcement {
	a := sight.Announcement{
		ID: e.guard.ID, Incarnation: e.guard.Incarnation, Port: e.site.Endpoint().Port(), Interval: e.Interval,
		Reached: func(local net.Addr) sight.Endpoint {
			return cmp.Or(e.advertised, e.site.Reached(local)).With(e.guard.PublicKey())
		},
	}
	if key := e.guard.PublicKey(); key != nil {
		a.Key = *key
	}
	return a
}
