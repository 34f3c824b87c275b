//go:build linux

package main

import (
	"bufio"
	"context"
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/ladder"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/mapping"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/client"
	"github.com/sjohnr/at-once/src/rendezvous/wss"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/zmtp"
)

// report is a line that a peer prints, of what has happened at a time.
type report struct {
	What string    `json:"what"` // here, knows, mapped, reach, found, ahead, message, tried, exit, or fault
	Peer uuid.UUID `json:"peer"`
	Rung string    `json:"rung,omitempty"`
	Text string    `json:"text,omitempty"`
	Time time.Time `json:"time"`
}

// order is a line that a peer reads: whom to look for, as if it had not been before.
type order struct {
	Reach uuid.UUID `json:"reach"`
	Times int       `json:"times,omitempty"` // that it is said hello, by a node
}

// peer is a program that meets others over a server, and says hello to each on every link.
type peer struct {
	own     *identity.Identity
	at      ladder.Candidates
	clients []*client.Client
	ladder  *ladder.Ladder
	mapping *mapping.Keeper
	log     *slog.Logger
	work    sync.WaitGroup
	ctx     context.Context

	mu    sync.Mutex // guards what is printed, and links
	links map[*link.Link]uuid.UUID
}

func (p *peer) say(r report) {
	r.Time = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(r) // who does not read it has gone
}

// runPeer is a peer of the servers at some addresses until standard input ends.
func runPeer(addresses []string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	p, listener, err := newPeer(ctx)
	if err != nil {
		return err
	}
	for _, text := range addresses {
		address, err := rendezvous.ParseAddress(text)
		if err != nil {
			return err
		}
		p.clients = append(p.clients, p.client(text, address, link.Port{At: listener.Addr(), Else: true}))
	}
	for _, c := range p.clients {
		p.work.Go(func() { _ = c.Run(ctx, sight.Announcement{}, p.knows) })
	}
	p.work.Go(func() { p.mapping.Run(ctx) })
	p.work.Go(func() {
		link.Accept(ctx, listener, 1024, func(conn net.Conn, over func()) {
			p.work.Go(func() { defer over(); p.accepted(conn, ladder.RungOf(conn.RemoteAddr())) })
		}, func(err error) { p.log.Warn("listener", "error", err) })
	})
	p.say(report{What: "here", Peer: p.own.UUID()})
	if err := p.obey(os.Stdin); err != nil {
		return err
	}
	cancel()
	p.ladder.Close()
	p.work.Wait()
	return nil
}

// newPeer returns a peer of no server, and where it listens.
func newPeer(ctx context.Context) (*peer, net.Listener, error) {
	own, err := identity.New()
	if err != nil {
		return nil, nil, err
	}
	if _, err := own.Issue(uint64(time.Now().UnixNano()), time.Now()); err != nil {
		return nil, nil, err
	}
	listener, err := link.TCP{}.Listen(ctx, "tcp://*:*")
	if err != nil {
		return nil, nil, err
	}
	if err := link.Share(listener); err != nil {
		return nil, nil, err
	}
	p := &peer{
		own: own, ctx: ctx, links: map[*link.Link]uuid.UUID{}, at: ladder.Candidates{Port: sight.Of(listener.Addr()).Port()},
		log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	p.ladder = p.newLadder(link.Port{At: listener.Addr()})
	p.mapping = mapping.New(mapping.Keeper{
		Port: p.at.Port, Find: mapping.Find, Log: p.log,
		Check: func(ctx context.Context, outer uint16) (string, error) { return p.clients[0].DialBack(ctx, outer) },
		Put: func(endpoint string) {
			if p.at.Put(p.mapping, endpoint) {
				p.say(report{What: "mapped", Text: endpoint})
				p.renew()
			}
		},
	})
	return p, listener, nil
}

func random(string) float64 { return rand.Float64() }

func (p *peer) count(what string) { p.log.Info("unusual", "what", what) }

// newLadder returns the ladder of a peer, which says hello on each link that is used.
func (p *peer) newLadder(far link.Transport) *ladder.Ladder {
	return ladder.New(ladder.Config{
		ID: p.own.UUID(), Near: link.TCP{}, Far: far, Dials: new(client.Dials), Random: random, Log: p.log, Count: p.count,
		Open: p.open,
		Take: func(conn net.Conn, c *client.Circuit) {
			p.work.Go(func() { p.accepted(conn, ladder.Relayed) })
		},
		Made: func(path ladder.Path) { p.work.Go(func() { p.serve(path) }) },
		Found: func(path ladder.Path) {
			p.say(report{What: "found", Peer: path.Peer, Rung: path.Rung.String()})
			p.hello(path)
		},
		Tried: func(t ladder.Trial) {
			p.say(report{What: "tried", Peer: t.Peer, Rung: t.Rung.String(), Text: fmt.Sprintf("%s %v: %v", t.Endpoint, t.Took.Round(time.Millisecond), t.Err)})
		},
	})
}

// client returns what stays with the server at an address.
func (p *peer) client(text string, address rendezvous.Address, transport link.Transport) *client.Client {
	return client.New(client.Config{
		Address: address, Identity: p.own, Transport: transport, WSS: wss.Dial,
		Observed: func(local net.Addr, at string) {
			if p.at.Observed(text, local, at) {
				p.work.Go(p.renew)
			}
			p.mapping.Moved()
		},
		Describe: func() client.Description {
			list, err := p.at.List()
			if err != nil {
				p.log.Warn("no addresses", "error", err)
			}
			return client.Description{Name: "peer", Candidates: list}
		},
		Lent:    func(c *client.Circuit) { p.ahead(c); p.ladder.Lent(c) },
		Willing: p.ladder.Willing, Met: p.ladder.Met,
		Linger: time.Second, Log: p.log, Random: random, Count: p.count,
	})
}

// knows reports whom a server tells of.
func (p *peer) knows(list []sight.Sighting) {
	for _, s := range list {
		p.say(report{What: "knows", Peer: s.ID})
	}
}

// obey looks for whom it is told to, until there are no more orders.
func (p *peer) obey(orders io.Reader) error {
	for lines := bufio.NewScanner(orders); lines.Scan(); {
		var o order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return err
		}
		p.forget(o.Reach)
		ahead, err := p.seal(o.Reach)
		if err != nil {
			return err
		}
		p.say(report{What: "reach", Peer: o.Reach})
		p.ladder.Reach(o.Reach, p.clients[0], ahead)
	}
	return nil
}

// forget ends all links with a peer, and looks for it no more.
func (p *peer) forget(id uuid.UUID) {
	p.ladder.LetGo(id)
	p.mu.Lock()
	defer p.mu.Unlock()
	for l, with := range p.links {
		if with == id {
			p.work.Go(func() { _ = l.Close() })
		}
	}
}

// renew tells all servers where the peer is reached now.
func (p *peer) renew() {
	for _, c := range p.clients {
		c.Renew()
	}
}

// seal returns a first word for a peer: sealed to its key under the challenge of its record.
func (p *peer) seal(to uuid.UUID) ([]byte, error) {
	who, err := p.clients[0].Look(p.ctx, to)
	if err != nil {
		return nil, err
	}
	public, err := ecdh.X25519().NewPublicKey(who.Card.Transport[:])
	if err != nil {
		return nil, err
	}
	key, err := hpke.NewDHKEMPublicKey(public)
	if err != nil {
		return nil, err
	}
	return hpke.Seal(key, hpke.HKDFSHA256(), hpke.AES256GCM(), who.Inside.Challenge, []byte(greeting))
}

// ahead takes the first word of who has asked for a circuit.
func (p *peer) ahead(c *client.Circuit) {
	if len(c.Ahead) == 0 {
		return
	}
	key, err := hpke.NewDHKEMPrivateKey(p.own.Transport())
	if err != nil {
		p.say(report{What: "fault", Peer: c.Peer, Text: err.Error()})
		return
	}
	for _, by := range p.clients {
		for _, challenge := range by.Challenges() {
			if text, err := hpke.Open(key, hpke.HKDFSHA256(), hpke.AES256GCM(), challenge, c.Ahead); err == nil && string(text) == greeting {
				p.say(report{What: "ahead", Peer: c.Peer})
				return
			}
		}
	}
	p.say(report{What: "fault", Peer: c.Peer, Text: "what was sent ahead does not open"})
}

// greeting is what peers say to each other.
const greeting = "hello over there"

func (p *peer) config() link.Config {
	id := p.own.UUID()
	return link.Config{Type: zmtp.Dealer, Identity: append([]byte{1}, id[:]...)}
}

// open makes a link of a connection that was dialled.
func (p *peer) open(ctx context.Context, conn net.Conn, to *identity.Card, tie bool) (*link.Link, error) {
	key, err := ecdh.X25519().NewPublicKey(to.Transport[:])
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	c := p.config()
	c.Curve = &zmtp.Curve{Key: p.own.Transport(), Server: key, Tie: tie, Eager: true}
	return link.Open(ctx, conn, c)
}

// accepted makes a link of a connection that has come, if a peer that is known has proved to
// be there, and serves it.
func (p *peer) accepted(conn net.Conn, rung ladder.Rung) {
	c := p.config()
	c.Type = zmtp.Router
	c.Curve = &zmtp.Curve{Key: p.own.Transport(), Admit: func([32]byte, net.Addr, *zmtp.Metadata) error { return nil }}
	l, err := link.Open(p.ctx, conn, c)
	if err != nil {
		return
	}
	id, err := p.prove(l)
	if err != nil { // the server, say, which dials back
		_ = l.Close()
		return
	}
	path := ladder.Path{Peer: id, Rung: rung, Link: l}
	if !p.ladder.Arrived(path) {
		_ = l.Close()
		return
	}
	p.serve(path)
}

// prove returns who is at the far side of a link.
func (p *peer) prove(l *link.Link) (uuid.UUID, error) {
	name := l.RemoteIdentity()
	if len(name) != 17 {
		return uuid.Nil, errors.New("it has no id")
	}
	id := uuid.UUID(name[1:])
	ctx, cancel := context.WithTimeout(p.ctx, link.DialTime)
	defer cancel()
	who, err := p.clients[0].Look(ctx, id)
	if err != nil {
		return id, err
	}
	if key, _ := l.RemoteKey(); key != who.Card.Transport {
		return id, errors.New("it has another's id")
	}
	return id, nil
}

// hello says hello on a link that is used.
func (p *peer) hello(path ladder.Path) {
	p.work.Go(func() {
		room, err := path.Link.Reserve(p.ctx, len(greeting)+2)
		if err != nil {
			return
		}
		copy(room[len(zmtp.AppendHeader(room[:0], len(greeting), false)):], greeting)
		path.Link.Commit()
	})
}

// serve reports what is said on a link until it ends.
func (p *peer) serve(path ladder.Path) {
	defer context.AfterFunc(p.ctx, func() { _ = path.Link.Close() })()
	p.mu.Lock()
	p.links[path.Link] = path.Peer
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.links, path.Link)
	}()
	_ = path.Link.Serve(func(b *link.Batch) error {
		defer b.Release()
		for i := range b.Len() {
			if string(b.Message(i)[0]) == greeting {
				p.say(report{What: "message", Peer: path.Peer, Rung: path.Rung.String()})
			}
		}
		return nil
	})
	p.ladder.Lost(path)
}
