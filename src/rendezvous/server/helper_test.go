package server

import (
	"context"
	"crypto/ecdh"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/client"
	"github.com/sjohnr/at-once/src/sight"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const hostOfServer = "10.0.0.1"

var secret = rendezvous.Secret{1, 31: 2}

// scene is a server, and nodes that it serves, in a network in memory and in virtual time.
type scene struct {
	*testing.T
	net    *link.Memory
	policy Policy
	own    *identity.Identity
	former *ecdh.PrivateKey
	keeper RollKeeper
	server *Server
	log    *slog.Logger

	liarEnds func()
	clock    time.Duration // by which a liar's is ahead
	raws     []*raw
}

// inScene runs a test in a scene whose server runs, with delay from any host to any other.
func inScene(t *testing.T, delay time.Duration, policy Policy, test func(s *scene)) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{T: t, policy: policy, net: link.NewMemory(func(string, string) time.Duration { return delay }), log: quiet()}
		t.Cleanup(func() { time.Sleep(time.Second) }) // virtual: what is under way then arrives
		s.own = must(identity.New())
		s.run()
		defer s.finish()
		test(s)
	})
}

// finish ends what is left.
func (s *scene) finish() {
	for _, r := range s.raws {
		r.close()
		if !r.ended() {
			s.Error("a connection does not end")
		}
	}
	s.server.Close()
}

func quiet() *slog.Logger {
	if os.Getenv("ONCE_TEST_LOG") != "" {
		return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return slog.New(slog.NewTextHandler(io.Discard, nil))
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// run starts the server, again if it has run.
func (s *scene) run() {
	s.server = must(New(Config{Identity: s.own, Former: s.former, Transport: s.net.Host(hostOfServer), Keep: s.keeper, Log: s.log}, s.policy))
	s.server.Serve(must(s.net.Host(hostOfServer).Listen(context.Background(), fmt.Sprintf("tcp://*:%d", rendezvous.Port))))
}

func (s *scene) address() rendezvous.Address {
	return rendezvous.Address{
		Hosts: []string{fmt.Sprintf("%s:%d", hostOfServer, rendezvous.Port)},
		Key:   [32]byte(s.own.Transport().PublicKey().Bytes()), Secret: secret,
	}
}

// node is a client, and what it was told.
type node struct {
	*client.Client
	own  *identity.Identity
	host string
	end  func()

	mu      sync.Mutex
	what    client.Description
	sighted map[uuid.UUID]int
	met     []*client.Meeting
	lent    []*client.Circuit
	counts  map[string]int
	willing bool
}

// node starts a node on a host.
func (s *scene) node(host, name string, own *identity.Identity, change ...func(*client.Config)) *node {
	n := &node{own: own, host: host, sighted: map[uuid.UUID]int{}, counts: map[string]int{}, willing: true}
	n.what = client.Description{Name: name, Groups: []string{"room"}, Candidates: []client.Candidate{{Endpoint: "tcp://" + host + ":4711", Since: time.Now()}}}
	if own.Card() == nil {
		must(own.Issue(uint64(time.Now().UnixNano()), time.Now()))
	}
	random := rand.New(rand.NewPCG(1, uint64(len(host))))
	config := client.Config{
		Address: s.address(), Identity: own, Transport: s.net.Host(host), Linger: time.Second, Log: s.log,
		Random:   func(string) float64 { n.mu.Lock(); defer n.mu.Unlock(); return random.Float64() },
		Count:    func(what string) { n.mu.Lock(); defer n.mu.Unlock(); n.counts[what]++ },
		Describe: func() client.Description { n.mu.Lock(); defer n.mu.Unlock(); return n.what },
		Willing:  func(client.Proposal) bool { n.mu.Lock(); defer n.mu.Unlock(); return n.willing },
		Met:      func(m *client.Meeting) { n.mu.Lock(); defer n.mu.Unlock(); n.met = append(n.met, m) },
		Lent:     func(c *client.Circuit) { n.mu.Lock(); defer n.mu.Unlock(); n.lent = append(n.lent, c) },
	}
	for _, f := range change {
		f(&config)
	}
	n.Client = client.New(config)
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = n.Run(ctx, sight.Announcement{}, func(list []sight.Sighting) {
			n.mu.Lock()
			defer n.mu.Unlock()
			for _, one := range list {
				n.sighted[one.ID]++
			}
		})
	}()
	n.end = func() { cancel(); <-over }
	return n
}

// leave ends nodes.
func leave(nodes ...*node) {
	for _, n := range nodes {
		n.end()
	}
}

func (n *node) meetings() []*client.Meeting {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.met
}

func (n *node) circuits() []*client.Circuit {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lent
}

// told tells how often a node was told of another.
func (n *node) told(of *node) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sighted[of.own.UUID()]
}

func (n *node) counted(what string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.counts[what]
}

// knows tells whom a node knows of, by name.
func (n *node) knows() (names []string) {
	for _, p := range n.Peers() {
		names = append(names, p.Inside.Name)
	}
	return names
}

// hostFor returns the address of the nth host.
func hostFor(n int) string { return net.IPv4(10, 1, byte(n>>8), byte(n)).String() }

func someone() *identity.Identity { return must(identity.New()) }

func open() Policy { return Policy{Relays: true, Requests: 50} }
