package client

import (
	"context"
	"crypto/ecdh"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	machine "github.com/sjohnr/at-once/generated/go/rendezvousclient"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/zmtp"
)

// What a server may say, and what waits to be said to it.
const (
	maxFrames = 1 + oncemsg.MaxDeltaEntries
	outbox    = 256 << 10
)

// stay keeps a conversation with the server, as far as there can be one.
type stay struct {
	*Config
	pins  *pins
	open  func(*link.Link, *rendezvous.Address, [32]byte, dialer) *session
	moved chan struct{} // holds a token when the host's network has changed

	mu       *sync.Mutex // of the client; guards what follows
	standing standing
	session  *session // nil while there is none
	abandon  func()   // ends the attempt to connect; nil before the first
}

// run stays with the server until ctx ends.
func (s *stay) run(ctx context.Context) {
	since := time.Now() // there is no server, or it was not of use for long
	for n := 0; ; n++ {
		// Full jitter, so that those who lost a server together come back apart.
		wait := time.Duration(s.Random("backoff") * float64(backoff(n, time.Since(since))))
		s.mu.Lock()
		wait, s.standing.retry = wait+s.standing.retry, 0
		s.mu.Unlock()
		if s.pause(ctx, wait) {
			since = time.Now()
		}
		if ctx.Err() != nil {
			break
		}
		s.fail(s.try(ctx, &s.Address, n))
		s.mu.Lock()
		stood := s.standing.stood()
		s.mu.Unlock()
		s.shelter(ctx, n)
		if ctx.Err() != nil {
			break
		}
		if away := time.Since(since) - stood; stood > max(enough, min(away, maxBackoff)) {
			since = time.Now()
		}
	}
}

// backoff returns how long to wait at most after so many tries, since the first of which it is
// so long: about as long as the server is away already.
func backoff(tries int, away time.Duration) time.Duration {
	if tries == 0 {
		return 0
	}
	return min(max(away, firstBackoff), maxBackoff)
}

// pause waits for so long, or until ctx ends or the host's network has changed, and tells
// whether it has.
func (s *stay) pause(ctx context.Context, wait time.Duration) (moved bool) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-s.moved:
		return true
	case <-ctx.Done():
	case <-timer.C:
	}
	return false
}

// try is connect, which ends if the host's network changes before there is a conversation:
// what was begun from where the host was may be answered by nobody.
func (s *stay) try(ctx context.Context, to *rendezvous.Address, n int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.mu.Lock()
	s.abandon, s.standing.found = func() { cancel(errMoved) }, time.Time{}
	s.mu.Unlock()
	err := s.connect(ctx, to, n)
	if context.Cause(ctx) == errMoved {
		return errMoved
	}
	return err
}

var errMoved = errors.New("this host's network has changed meanwhile")

// move notes that the host's network has changed. A conversation from an address that is no
// more is over, and the next one begins at once.
func (s *stay) move() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.moved <- struct{}{}:
	default:
	}
	if s.session == nil {
		if s.abandon != nil {
			s.abandon()
		}
		return
	}
	addrs, err := net.InterfaceAddrs()
	at, fault := netip.ParseAddrPort(s.session.link.LocalAddr().String())
	stands := err != nil || fault != nil || slices.ContainsFunc(addrs, func(a net.Addr) bool {
		own, err := netip.ParsePrefix(a.String())
		return err == nil && own.Addr().Unmap() == at.Addr().Unmap().WithZone("")
	})
	if !stands {
		s.session.HangUp()
	}
}

// fail notes why there is no conversation.
func (s *stay) fail(err error) {
	s.mu.Lock()
	s.standing.fail(err)
	s.mu.Unlock()
	s.Log.Debug("no rendezvous", "server", s.Address, "error", err)
}

// shelter is with the server that the client's own has named for while it is away, if it
// has, and no longer than a while: a server that names others sends nobody there for good,
// nor from there any further.
func (s *stay) shelter(ctx context.Context, n int) {
	s.mu.Lock()
	to, retry := s.standing.elsewhere, s.standing.retry
	s.mu.Unlock()
	if to == nil {
		return
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, retry+time.Duration((1+s.Random("shelter"))*float64(maxBackoff)/2))
	defer cancel()
	s.fail(s.try(ctx, to, n))
	s.mu.Lock()
	s.standing.retry = max(0, retry-time.Since(began))
	s.mu.Unlock()
}

// connect has a conversation with a server, at another of its hosts each time, or by
// HTTPS after each of them, and returns why it has ended.
func (s *stay) connect(ctx context.Context, to *rendezvous.Address, n int) error {
	at := n % (len(to.Hosts) + 1)
	dial := func(ctx context.Context) (net.Conn, error) { return s.WSS(ctx, to.WSS) }
	if at < len(to.Hosts) {
		dial = func(ctx context.Context) (net.Conn, error) {
			return link.Connect(ctx, s.Transport, "tcp://"+to.Hosts[at])
		}
	} else if s.WSS == nil || to.WSS == "" {
		return s.connect(ctx, to, n+1)
	}
	attempt, cancel := context.WithTimeout(ctx, link.DialTime)
	defer cancel()
	conn, err := dial(attempt)
	if err != nil {
		return err
	}
	key := s.pins.of(to.Key).Key
	if n/(len(to.Hosts)+1)%2 == 1 { // what was restored from a backup may have lost its next KEY
		key = to.Key
	}
	l, err := s.greet(ctx, conn, key)
	if err != nil {
		return err
	}
	if over := l.RemoteAddr(); over.Network() == "tcp" {
		dial = func(ctx context.Context) (net.Conn, error) { return s.Transport.Dial(ctx, "tcp://"+over.String()) }
	}
	return s.converse(ctx, s.open(l, to, key, dial))
}

// greet opens a link over a connection to who has a KEY.
func (s *stay) greet(ctx context.Context, conn net.Conn, key [32]byte) (*link.Link, error) {
	public, err := ecdh.X25519().NewPublicKey(key[:])
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	// A server that has greeted is there, and may have the node wait for its turn.
	greeted := func() error {
		return link.Prolong(ctx, conn, oncemsg.MaxTurn*time.Millisecond+waits[machine.TimeoutAnswer])
	}
	l, err := link.Open(ctx, conn, link.Config{
		Type: zmtp.Dealer, MaxMessage: oncemsg.MaxMessage, MaxFrames: maxFrames, Outbox: outbox, Reserve: outbox,
		Handshake: waits[machine.TimeoutAnswer],
		Curve:     &zmtp.Curve{Key: s.Identity.Transport(), Server: public, Afford: greeted},
	})
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		err = fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	return l, err
}

// converse speaks with the server until that ends or ctx does, and returns why.
func (s *stay) converse(ctx context.Context, c *session) error {
	s.mu.Lock()
	s.session = c
	c.timer = time.AfterFunc(waits[machine.TimeoutAnswer], c.due)
	s.mu.Unlock()
	err := c.serve(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.session = nil
	return c.end(err)
}
