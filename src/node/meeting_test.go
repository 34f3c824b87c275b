package node

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/link"
)

// TestMeetings has two nodes meet while the links between them are cut every few
// milliseconds, and join and leave groups meanwhile: each is told once that the other has
// come, never that it has gone, and which groups it is in.
func TestMeetings(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 12
	}
	for seed := range seeds {
		for _, security := range levels {
			t.Run(fmt.Sprint(seed, "/", security), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { meetCutOff(t, rand.New(rand.NewPCG(seed, 2)), security) })
			})
		}
	}
}

func meetCutOff(t *testing.T, chance *rand.Rand, security api.NodeSecurity) {
	delay := time.Duration(100+chance.IntN(5000)) * time.Microsecond
	l := newLAN(t)
	l.memory = link.NewMemory(func(string, string) time.Duration { return delay })
	nodes := [2]*actor{l.node("ana", with(security)), l.node("ben", with(security))}
	for _, a := range nodes {
		defer a.Stop()
	}
	groups := [2]map[string]bool{{}, {}}
	for range 10 + chance.IntN(60) {
		time.Sleep(time.Duration(chance.IntN(8000)) * time.Microsecond)
		i := chance.IntN(2)
		switch a, group := nodes[i], fmt.Sprint("group ", chance.IntN(4)); {
		case chance.IntN(3) > 0:
			l.memory.Cut(a.host)
		case groups[i][group]:
			a.must(a.Leave(group))
			delete(groups[i], group)
		default:
			a.must(a.Join(group))
			groups[i][group] = true
		}
	}
	time.Sleep(20 * time.Second)
	for i, a := range nodes {
		enters, in := 0, map[string]bool{}
		for line := a.next(time.Millisecond); line != "context deadline exceeded"; line = a.next(time.Millisecond) {
			switch kind, rest, _ := strings.Cut(line, " "); kind {
			case "enter":
				enters++
			case "join":
				in[rest[4:]] = true
			case "leave":
				delete(in, rest[4:])
			case "suspect", "recover":
			default:
				t.Errorf("%s is told %q", a.Name(), line)
			}
		}
		other := nodes[1-i]
		p, err := a.Peer(other.UUID())
		if err != nil || enters != 1 || len(in) != len(groups[1-i]) || len(p.Groups()) != len(in) {
			t.Errorf("%s was told of %d enters and %v, which should be %v; %v", a.Name(), enters, in, groups[1-i], err)
			continue
		}
		for _, group := range p.Groups() {
			if !groups[1-i][group] {
				t.Errorf("%s takes %s to be in %v", a.Name(), other.Name(), slices.Sorted(slices.Values(p.Groups())))
			}
		}
	}
	if !t.Failed() {
		nodes[0].talk(nodes[1])
		nodes[1].talk(nodes[0])
	}
}
