package explore

import (
	"testing"

	"github.com/sjohnr/at-once/src/model"
)

// mutant is a fault that is put into a transition of the project's machines.
type mutant struct {
	talk, machine, state, event string
	change                      string // what is done to the event
	found                       bool   // by exploring; else the comment says by what
}

// mutants are those of TestMutants. One that is not found here names what finds it.
var mutants = []mutant{
	{"peer", "peer", "sighted", "linked", "loses its actions", true},
	{"peer", "peer", "greeting", "hello", "leads nowhere", true},
	{"peer", "peer", "relinking", "linked", "loses its actions", false}, // it is told as gone, and beacons bring it back; TestNetworksHeal in src/zre
	{"peer", "peer", "present", "goodbye", "leads nowhere", true},
	{"peer", "peer", "present", "ping", "loses its actions", true},
	{"election", "election", "challenging", "better", "leads nowhere", true},
	{"election", "election", "challenging", "complete", "loses its actions", true},
	{"election", "election", "supporting", "leader", "leads nowhere", true},
	{"gossip", "gossip_server", "start", "hello", "leads nowhere", true},
	{"gossip", "gossip_server", "external", "violation", "loses its actions", false}, // its client asks for a sign of life, and learns of it then; TestOthers in src/gossip
	{"gossip", "gossip_client", "probing", "pong", "leads nowhere", true},
	{"gossip", "gossip_client", "probing", "timeout", "loses its actions", true},
	{"gossip", "gossip_client", "probing", "publish", "loses its actions", true},
	{"gossip", "gossip_client", "probing", "publish", "leads nowhere", true},
	{"zmtp_null", "zmtp_handshake", "null ready", "ready", "leads nowhere", true},
	{"zmtp_null", "zmtp_handshake", "null ready", "mismatch", "loses its actions", false}, // the connection is closed all the same; TestMismatchIsAnswered in src/zmtp
	{"zmtp_curve", "zmtp_handshake", "curve welcome", "welcome", "loses its actions", true},
	{"zmtp_curve", "zmtp_handshake", "curve initiate", "stranger", "leads nowhere", true},
	{"rendezvous", "rendezvous_server", "challenged", "refuse", "leads nowhere", true},
	{"rendezvous", "rendezvous_server", "challenged", "drain", "leads nowhere", true},
	{"rendezvous", "rendezvous_server", "served", "refuse", "leads nowhere", true},
	{"rendezvous", "rendezvous_server", "served", "drain", "leads nowhere", true},
	{"rendezvous", "rendezvous_client", "renewing", "ok", "loses its actions", true},
	{"rendezvous", "rendezvous_client", "publishing", "ok", "loses its actions", true},
	{"rendezvous", "rendezvous_client", "publishing", "renew", "loses its actions", true},
	{"rendezvous", "rendezvous_client", "renewing", "renew", "loses its actions", true},
	{"rendezvous", "rendezvous_server", "challenged", "timeout", "loses its actions", true},
	{"introduction", "introduction", "asked", "answer", "leads nowhere", true},
	{"introduction", "introduction", "asked", "abandoned", "leads nowhere", true},
	{"circuit", "circuit", "ticketed", "leg", "leads nowhere", true},
	{"ladder", "ladder", "resting", "want", "leads nowhere", true},
	{"ladder", "ladder", "meeting", "timeout", "loses its actions", true},
	{"ladder", "ladder", "meeting", "timeout", "leads nowhere", true},
	{"ladder", "ladder", "climbing", "answered", "loses its actions", false}, // what it dials is dialled already, but for rungs that were not known before
	{"ladder", "ladder", "direct", "want", "leads nowhere", true},
	{"ladder", "ladder", "direct", "lost", "leads nowhere", true},
	{"ladder", "ladder", "direct", "lost", "loses its actions", false}, // TestLost in src/ladder
	{"channel", "once_channel", "idle", "greet", "leads nowhere", true},
	{"channel", "once_channel", "opening", "greeted", "leads nowhere", true},
	{"channel", "once_channel", "answering", "taken", "leads nowhere", true},
	{"channel", "once_channel", "answering", "taken", "loses its actions", true},
	{"channel", "once_channel", "open", "linkless", "leads nowhere", true},
	{"channel", "once_channel", "open", "linkless", "loses its actions", true},
	{"channel", "once_channel", "open", "use", "loses its actions", false}, // each side goes on over a link of its own, and nothing is lost
	{"channel", "once_channel", "broken", "linked", "leads nowhere", true},
	{"channel", "once_channel", "resuming", "resume", "leads nowhere", true},
	{"channel", "once_channel", "resuming", "resume", "loses its actions", true},
	{"channel", "once_channel", "present", "goodbye", "leads nowhere", true},
}

func (m *mutant) put(t *testing.T, talk *model.Talk) {
	for _, side := range talk.Sides {
		if side.Machine == nil || side.Machine.Name() != m.machine {
			continue
		}
		for _, e := range side.Machine.State(m.state).Events {
			if e.Name() != m.event {
				continue
			}
			switch m.change {
			case "loses its actions":
				e.Actions = nil
			case "leads nowhere":
				e.Next = ""
				for i, a := range e.Attrs {
					if a.Name == "next" {
						e.Attrs = append(e.Attrs[:i:i], e.Attrs[i+1:]...)
						break
					}
				}
			}
			return
		}
	}
	t.Fatalf("%s has no %s.%s", m.machine, m.state, m.event)
}

// TestMutants puts a fault into one transition after the other, and wants it to be found.
func TestMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("this explores the project often")
	}
	for _, m := range mutants {
		talk := load(t, "../../../project.xml")[m.talk]
		m.put(t, talk)
		r, problems := Explore(talk)
		if found := len(problems) > 0 || r.Fault != nil; found != m.found {
			t.Errorf("%s.%s.%s that %s: found %v, want %v", m.machine, m.state, m.event, m.change, found, m.found)
		} else if found && r != nil {
			t.Logf("%s.%s.%s that %s: %s: %s", m.machine, m.state, m.event, m.change, r.Fault.Kind, r.Fault.Text)
		}
	}
}
