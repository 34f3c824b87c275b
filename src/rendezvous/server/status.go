package server

import (
	"maps"
	"time"

	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/relay"
)

// count counts something unusual.
func (s *Server) count(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.add(what)
}

// Status is what there is to say of a server.
type Status struct {
	Since       time.Time         `json:"since"`
	Connections int               `json:"connections"`
	Peers       int               `json:"peers"`
	Networks    int               `json:"networks"`
	Watchers    int               `json:"watchers"`
	Relay       relay.Figures     `json:"relay"`
	Counts      map[string]uint64 `json:"counts"` // of what is unusual, by name
}

// Status returns what there is to say of the server.
func (s *Server) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := Status{Since: s.began, Connections: len(s.sessions), Peers: len(s.presence.peers), Relay: s.relay.Figures(), Counts: maps.Clone(s.counts.of)}
	networks := map[rendezvous.Number]bool{}
	for key := range s.presence.peers {
		networks[key.network] = true
	}
	status.Networks = len(networks)
	for _, w := range s.watches.of {
		status.Watchers += len(w.watchers)
	}
	return status
}
