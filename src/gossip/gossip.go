package gossip

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/zmtp"
)

// How often the node publishes itself anew, and looks through what it knows:
// what has died out is dropped, the rest is sighted again, since a peer that was
// lost may be reachable again.
const (
	refresh = Lifetime / 3
	look    = refresh / 6
)

// maxClients is how many connections a server keeps at a time; further ones are
// closed and counted.
const maxClients = 4096

// Config is what a gossip is made of. All but Bind and Seeds must be set.
type Config struct {
	Bind      string   // where to take clients, as [link.Transport] has it; empty if it takes none
	Seeds     []string // servers to connect to, for ever again
	Linger    time.Duration
	Transport link.Transport
	Log       *slog.Logger
	Random    func(what string) float64 // at least 0, and less than 1
	Count     func(name string)         // something unusual was seen
}

// Gossip tells who is there. Its methods may be called from any goroutine.
type Gossip struct {
	Config
	listener net.Listener // nil without Bind
	work     sync.WaitGroup
	closing  chan struct{}   // closed when the sessions are to say their last words
	end      context.Context // ends when there is no more time for them
	cut      context.CancelFunc
	node     sight.Announcement     // as Run was given it
	see      func([]sight.Sighting) // as well

	mu       sync.Mutex // guards what follows, and the machines of the sessions
	gone     bool       // the node is withdrawn
	version  uint64     // of what was published last; 0 before Run
	store    store
	sessions map[*session]struct{}
	servers  map[string]string // the seeds, and what is wrong with each; nothing if it answers
}

// silent is what is wrong with a server that was not heard of yet.
const silent = "it has not answered yet"

// Listen returns a gossip that is bound, if it is to be. Run or Close must follow.
func Listen(ctx context.Context, config Config) (*Gossip, error) {
	g := &Gossip{Config: config, closing: make(chan struct{}), sessions: map[*session]struct{}{}, servers: map[string]string{}}
	for _, seed := range config.Seeds {
		g.servers[seed] = silent
	}
	g.store.tuples = map[string]*list.Element{}
	if config.Bind == "" {
		return g, nil
	}
	var err error
	if g.listener, err = config.Transport.Listen(ctx, config.Bind); err != nil {
		return nil, fmt.Errorf("cannot gossip at %s: %w", config.Bind, err)
	}
	return g, nil
}

// Close releases a gossip that is not to run after all. It may be nil.
func (g *Gossip) Close() error {
	if g == nil || g.listener == nil {
		return nil
	}
	return g.listener.Close()
}

func (g *Gossip) String() string { return "gossip" }

// Run implements [sight.Source]. To withdraw the node takes the linger time at most. What
// it publishes has versions from the node's incarnation on. Under the node's own id it
// tells of another that has it and started later. While sighted runs, the connection that
// told of what it takes is not read.
func (g *Gossip) Run(ctx context.Context, node sight.Announcement, sighted func([]sight.Sighting)) error {
	g.node, g.see = node, sighted
	g.mu.Lock()
	g.store.own = strings.ToUpper(strings.ReplaceAll(node.ID.String(), "-", ""))
	g.version = node.Incarnation
	g.announceLocked()
	g.mu.Unlock()
	g.end, g.cut = context.WithCancel(context.WithoutCancel(ctx))
	defer g.cut()
	if g.listener != nil {
		g.work.Go(func() { g.accept(ctx) })
	}
	for _, seed := range g.Seeds {
		g.work.Go(func() { g.connect(ctx, seed) })
	}
	g.keep(ctx)
	g.mu.Lock()
	g.gone = true
	g.announceLocked()
	g.mu.Unlock()
	defer time.AfterFunc(g.Linger, g.cut).Stop()
	close(g.closing)
	g.work.Wait()
	return nil
}

// keep keeps the node published and the rest in order until ctx ends.
func (g *Gossip) keep(ctx context.Context) {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for published := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			g.mu.Lock()
			if now.Sub(published) >= refresh {
				published = now
				g.announceLocked()
			}
			g.store.expire(now)
			known := g.known(now)
			g.mu.Unlock()
			g.see(known)
		}
	}
}

// known returns the nodes that are known to be there.
func (g *Gossip) known(now time.Time) (sightings []sight.Sighting) {
	for _, t := range g.store.since(0, MaxTuples) {
		if s, err := t.sighting(); err == nil && !s.Gone && !t.muted && t.key != g.store.own && t.live(now) {
			sightings = append(sightings, s)
		}
	}
	return sightings
}

// Renew publishes the node anew.
func (g *Gossip) Renew() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.version > 0 {
		g.announceLocked()
	}
}

// valueLocked returns what is published over a connection from an address of this host:
// where peers can reach the node, and its key. The caller holds the lock.
func (g *Gossip) valueLocked(local net.Addr) string {
	if g.gone {
		return ""
	}
	return g.node.Reached(local).String()
}

// announceLocked publishes the node under another version. The caller holds the lock.
func (g *Gossip) announceLocked() {
	g.version++
	g.store.put(&tuple{key: g.store.own, version: g.version, expires: time.Now().Add(Lifetime)})
	g.changedLocked()
}

// changedLocked has the sessions tell of a change. The caller holds the lock.
func (g *Gossip) changedLocked() {
	for s := range g.sessions {
		s.fire("change")
	}
}

// Unpublish keeps the node from telling of a peer, until the peer publishes
// itself anew. Other nodes go on as they like.
func (g *Gossip) Unpublish(peer uuid.UUID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for key, e := range g.store.tuples {
		if id, err := uuid.Parse(key); err == nil && id == peer && key != g.store.own {
			e.Value.(*tuple).muted = true
		}
	}
}

// accept takes clients until ctx ends.
func (g *Gossip) accept(ctx context.Context) {
	link.Accept(ctx, g.listener, maxClients, func(conn net.Conn, over func()) {
		g.work.Go(func() {
			defer over()
			if err := g.converse(ctx, conn, zmtp.Router, ""); err != nil {
				g.Log.Debug("gossip client left", "address", conn.RemoteAddr(), "error", err)
			}
		})
	}, func(err error) {
		if errors.Is(err, link.ErrTooMany) {
			g.Count("gossip clients over the limit")
		} else {
			g.Log.Warn("cannot accept a gossip client", "error", err)
		}
	})
}

// connect stays with a server until ctx ends.
func (g *Gossip) connect(ctx context.Context, seed string) {
	for wait := time.Duration(0); link.Pause(ctx, link.Vary(wait, g.Random(seed))); wait = link.Longer(wait) {
		began := time.Now()
		err := g.dial(ctx, seed)
		g.mu.Lock()
		g.servers[seed] = err.Error()
		g.mu.Unlock()
		g.Log.Debug("no gossip with a server", "endpoint", seed, "error", err)
		if time.Since(began) > link.DialTime {
			wait = 0
		}
	}
}

func (g *Gossip) dial(ctx context.Context, seed string) error {
	attempt, cancel := context.WithTimeout(ctx, link.DialTime)
	defer cancel()
	conn, err := g.Transport.Dial(attempt, seed)
	if err != nil {
		return err
	}
	return fmt.Errorf("the conversation ended: %w", g.converse(ctx, conn, zmtp.Dealer, seed))
}

// Servers returns the servers to connect to, each with what is wrong with it: nothing if it
// answers.
func (g *Gossip) Servers() map[string]string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.servers)
}
