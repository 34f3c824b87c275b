package node

import (
	"bytes"
	"context"
	"net"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/onceseal"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
)

// wiretap keeps what passes over the connections that nodes make, and can put words
// of its own between theirs.
type wiretap struct {
	mu   sync.Mutex
	taps []*tapped
}

// on taps the connections that a node will make, and those that it will take.
func (w *wiretap) on(n *Node) { n.world.Transport = tappedTransport{n.world.Transport, w} }

type tappedTransport struct {
	link.Transport
	tap *wiretap
}

func (t tappedTransport) Dial(ctx context.Context, endpoint string) (net.Conn, error) {
	conn, err := t.Transport.Dial(ctx, endpoint)
	if err != nil {
		return nil, err
	}
	return t.tap.add(conn), nil
}

func (t tappedTransport) Listen(ctx context.Context, endpoint string) (net.Listener, error) {
	listener, err := t.Transport.Listen(ctx, endpoint)
	return tappedListener{listener, t.tap}, err
}

type tappedListener struct {
	net.Listener
	tap *wiretap
}

func (l tappedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.tap.add(conn), nil
}

// add taps one end of a connection.
func (w *wiretap) add(conn net.Conn) *tapped {
	c := &tapped{Conn: conn, tap: w, writing: make(chan struct{}, 1)}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.taps = append(w.taps, c)
	return c
}

// tapped is one end of a connection, and what was said on it: there, and to that.
type tapped struct {
	net.Conn
	tap         *wiretap
	said, heard []byte        // guarded by tap.mu
	writing     chan struct{} // has one while somebody writes; no mutex, for time has to pass then
}

func (c *tapped) Write(b []byte) (int, error) {
	c.tap.mu.Lock()
	c.said = append(c.said, b...)
	c.tap.mu.Unlock()
	return c.inject(b)
}

// inject writes what the node has not said.
func (c *tapped) inject(b []byte) (int, error) {
	c.writing <- struct{}{}
	defer func() { <-c.writing }()
	return c.Conn.Write(b)
}

func (c *tapped) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.tap.mu.Lock()
	c.heard = append(c.heard, b[:n]...)
	c.tap.mu.Unlock()
	return n, err
}

func (c *tapped) CloseWrite() error { return c.Conn.(interface{ CloseWrite() error }).CloseWrite() }

// all returns all octets that passed.
func (w *wiretap) all() (octets []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.taps {
		octets = slices.Concat(octets, []byte("|"), c.said, []byte("|"), c.heard)
	}
	return octets
}

// between returns the end of the connection over which a node talks to another.
func (w *wiretap) between(from, to *actor) (last *tapped) {
	from.lan.t.Helper()
	var over net.Addr
	var far net.Addr
	from.loop.do(func() {
		if out := from.loop.of(to.UUID()).ours; out != nil {
			over, far = out.Link().LocalAddr(), out.Link().RemoteAddr()
		}
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.taps {
		if over != nil && c.LocalAddr().String() == over.String() && c.RemoteAddr().String() == far.String() {
			last = c
		}
	}
	if last == nil {
		from.lan.t.Fatalf("no connection from %s to %s", from.Name(), to.Name())
	}
	return last
}

// words returns the frames of each message that a node has said to another, over one
// connection after the other, which are plain: two that meet may each make one, and what
// greets need not be over the one that they talk over since.
func (w *wiretap) words(from, to *actor) (messages [][][]byte) {
	w.mu.Lock()
	taps := slices.Clone(w.taps)
	w.mu.Unlock()
	for _, c := range taps {
		if host(c.LocalAddr()) == from.host && host(c.RemoteAddr()) == to.host {
			messages = append(messages, from.words(c)...)
		}
	}
	return messages
}

// words returns the frames of each message that a node has said over one connection.
func (a *actor) words(c *tapped) (messages [][][]byte) {
	c.tap.mu.Lock()
	said := bytes.Clone(c.said)
	c.tap.mu.Unlock()
	if len(said) < zmtp.GreetingSize {
		return nil
	}
	p, m := &zmtp.Parser{MaxMessage: 1 << 20, MaxFrames: maxFrames}, &zmtp.Messages{}
	a.must(p.Parse(said[zmtp.GreetingSize:], m))
	for i := range m.Len() {
		messages = append(messages, slices.Clone(m.Message(i)))
	}
	return messages
}

func host(addr net.Addr) string {
	host, _, _ := net.SplitHostPort(addr.String())
	return host
}

// sealed returns the latest message of once_seal with an id that a node has said to
// another: a GROUP, or what is in a whisper.
func (w *wiretap) sealed(from, to *actor, want onceseal.ID) []byte {
	return w.latest(from, to, want)[0]
}

// shout returns the latest GROUP and its proof.
func (w *wiretap) shout(from, to *actor) [][]byte { return w.latest(from, to, onceseal.IDGroup) }

func (w *wiretap) latest(from, to *actor, want onceseal.ID) [][]byte {
	from.lan.t.Helper()
	for _, frames := range slices.Backward(w.words(from, to)) {
		if len(frames) > 1 {
			if id, err := onceseal.Peek(frames[1]); err == nil && id == want {
				return frames[1:]
			}
		}
	}
	from.lan.t.Fatalf("%s has said no %s to %s", from.Name(), want, to.Name())
	return nil
}

// rest lets pass what is under way.
func (l *lan) rest() {
	time.Sleep(time.Second)
	synctest.Wait()
}

// holds returns what a node has to open what another says.
func (a *actor) holds(of uuid.UUID) (u channel.Unsealer) {
	a.lan.rest()
	a.loop.do(func() { u = a.loop.of(of).theirs.in.opens })
	return u
}

// challenge returns what a peer's sessions have to answer.
func (a *actor) challenge(peer uuid.UUID) (challenge []byte) {
	a.loop.do(func() { challenge = a.loop.of(peer).challenge })
	return challenge
}
