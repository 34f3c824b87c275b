package ladder

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/sjohnr/at-once/src/rendezvous/client"
	"github.com/sjohnr/at-once/src/sight"
)

// Candidates are where a node that listens at a port of all interfaces may be reached. All
// methods may be called from any goroutine.
type Candidates struct {
	Port uint16
	Here bool // it listens where this host alone connects to

	mu    sync.Mutex
	found []found
	since map[string]time.Time // that an endpoint is known
}

// found is an endpoint, and who has found it.
type found struct {
	by       any
	endpoint string
}

// Put has somebody who finds endpoints have found this one and no other, or none if it is
// empty, and tells whether that is new.
func (c *Candidates) Put(by any, endpoint string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := slices.IndexFunc(c.found, func(f found) bool { return f.by == by })
	switch {
	case at < 0 && endpoint == "" || at >= 0 && c.found[at].endpoint == endpoint:
		return false
	case at < 0:
		c.found = append(c.found, found{by, endpoint})
	case endpoint == "":
		c.found = slices.Delete(c.found, at, at+1)
	default:
		c.found[at].endpoint = endpoint
	}
	return true
}

// Found returns the endpoint that somebody has found, nothing for none.
func (c *Candidates) Found(by any) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.found {
		if f.by == by {
			return f.endpoint
		}
	}
	return ""
}

// Observed notes where a server sees a connection from an address of this host. That counts
// if it is made from where the node listens: see [link.Port]. It tells whether it is new.
func (c *Candidates) Observed(by any, local net.Addr, at string) bool {
	if sight.Of(local).Port() != c.Port {
		return c.Put(by, "")
	}
	return c.Put(by, "tcp://"+at)
}

// List returns all: what was found, and the addresses of the host but for those that are only
// of itself, or of one link.
func (c *Candidates) List() (list []client.Candidate, err error) {
	var addrs []net.Addr
	if !c.Here {
		addrs, err = net.InterfaceAddrs()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	last := c.since
	c.since = map[string]time.Time{}
	add := func(endpoint string) {
		if _, known := c.since[endpoint]; known {
			return
		}
		since, known := last[endpoint]
		if !known {
			since = time.Now()
		}
		c.since[endpoint] = since
		list = append(list, client.Candidate{Endpoint: endpoint, Since: since})
	}
	for _, f := range c.found {
		add(f.endpoint)
	}
	for _, a := range addrs {
		if own, err := netip.ParsePrefix(a.String()); err == nil && own.Addr().Unmap().IsGlobalUnicast() {
			add(sight.At(own.Addr().Unmap().String(), c.Port).Bare())
		}
	}
	return list, err
}
