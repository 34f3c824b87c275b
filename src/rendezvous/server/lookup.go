package server

import (
	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	machine "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/registry"
)

// lookUp returns what there is of some nodes of a network. In the lobby nobody is told where
// they are.
func lookUp(in registry.Registry, network rendezvous.Number, m *oncemsg.GetEndpoints) (oncemsg.Message, *refusal) {
	if len(m.Ids)%len(uuid.UUID{}) != 0 {
		return nil, refuse(machine.ReasonMalformed, "ids are of 16 octets")
	}
	answer := new(oncemsg.ListEndpoints)
	octets := 0
	for ids := m.Ids; len(ids) > 0; ids = ids[len(uuid.UUID{}):] {
		if e := in.Get(network, uuid.UUID(ids[:16])); e != nil {
			if octets += len(e.Octets); octets > oncemsg.MaxPage && len(answer.Entries) > 0 {
				break
			}
			answer.Entries = append(answer.Entries, e.Octets)
		}
	}
	return answer, nil
}

// list returns a page of those in a network who have a tag.
func list(in registry.Registry, network rendezvous.Number, m *oncemsg.GetPeers) (oncemsg.Message, *refusal) {
	tags := []rendezvous.Tag{rendezvous.Tag(m.Tag)}
	page := in.List(network, tags, m.Cursor, oncemsg.MaxPage)
	answer := &oncemsg.ListPeers{Cursor: page.Cursor}
	if page.More {
		answer.More = 1
	}
	for _, e := range page.Entries {
		if !e.Gone && e.Has(tags) {
			answer.Entries = append(answer.Entries, e.Octets)
		}
	}
	return answer, nil
}

// sealingKey returns the sealing key that a node of a network has left.
func sealingKey(in registry.Registry, network rendezvous.Number, m *oncemsg.GetKey) (oncemsg.Message, *refusal) {
	if e := in.Get(network, m.Peer); e != nil && len(e.Key) > 0 {
		return &oncemsg.Key{Key: e.Key}, nil
	}
	return nil, refuse(machine.ReasonUnknown, "there is no such node, or it has left no key")
}
