package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
)

// blinded has a node use a driver that shows no properties, neither ours nor theirs.
func blinded(n *Node) { n.world.Transport = blindTransport{n.world.Transport} }

type blindTransport struct{ link.Transport }

func (t blindTransport) Dial(ctx context.Context, endpoint string) (net.Conn, error) {
	conn, err := t.Transport.Dial(ctx, endpoint)
	return blindConn{conn}, err
}

func (t blindTransport) Listen(ctx context.Context, endpoint string) (net.Listener, error) {
	listener, err := t.Transport.Listen(ctx, endpoint)
	return blindListener{listener}, err
}

type blindListener struct{ net.Listener }

func (l blindListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return blindConn{conn}, err
}

type blindConn struct{ net.Conn }

func (c blindConn) Handshake(_ context.Context, config link.Config) (*zmtp.Result, error) {
	r, err := zmtp.NewHandshake(zmtp.Metadata{Type: config.Type, Identity: config.Identity}).Run(c)
	if err == nil {
		r.Minor, r.Remote.Others, r.Remote.Partial = 0, nil, true
	}
	return r, err
}

func (c blindConn) CloseWrite() error { return c.Conn.(interface{ CloseWrite() error }).CloseWrite() }

// TestStripped takes guard.Nonces away from a handshake, or puts others there. What the
// greeting says of them is signed, so that it shows.
func TestStripped(t *testing.T) {
	for _, c := range []struct {
		name         string
		shown, said  byte // of eve's nonce in the handshake and in HELLO; 0 for none
		ours, change bool // ana's nonce arrives; as another
		want         error
	}{
		{"nothing", 1, 1, true, false, nil},
		{"hers", 0, 1, true, false, guard.ErrProof},
		{"ours", 1, 1, false, false, guard.ErrProof},
		{"both", 0, 1, false, false, guard.ErrProof},
		{"none there were", 0, 0, false, false, nil},
		{"another of hers", 2, 1, true, false, guard.ErrProof},
		{"one where there was none", 2, 0, false, false, guard.ErrProof},
		{"another of ours", 1, 1, true, true, guard.ErrProof},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, api.NodeSecurityAuto)
				s.greetsOver(c.shown, func(far [guard.NonceSize]byte) *zremsg.Hello {
					if c.change {
						far[0]++
					} else if !c.ours {
						far = [guard.NonceSize]byte{}
					}
					hello := s.greeting()
					s.eve.Present(hello, s.ana.UUID(), &guard.Nonces{Own: [guard.NonceSize]byte{c.said}, Far: far}, challenge, nil, false)
					return hello
				})
				if c.want == nil {
					s.ana.wants("enter eve")
					return
				}
				s.refused("eve", c.want)
			})
		})
	}
}

// greetsOver connects eve to ana, and says what is made of the nonce that ana shows.
func (s *scene) greetsOver(shown byte, hello func(far [guard.NonceSize]byte) *zremsg.Hello) {
	conn, err := s.memory.Host(outside).Dial(s.t.Context(), s.ana.Endpoint())
	s.ana.must(err)
	config := link.Config{Type: zmtp.Dealer, Identity: routingID(s.eve.Identity.UUID()), MaxMessage: 1 << 20}
	if shown != 0 {
		config.Properties = map[string][]byte{guard.PropertyNonce: append([]byte{shown}, make([]byte, guard.NonceSize-1)...)}
	}
	k, err := link.Open(s.t.Context(), conn, config)
	s.ana.must(err)
	s.t.Cleanup(func() { k.Close() })
	_, theirs := k.TakeProperties()
	far := [guard.NonceSize]byte(theirs[strings.ToLower(guard.PropertyNonce)])
	eve := &stranger{Link: k}
	if shown != 0 && theirs[strings.ToLower(guard.PropertyNonce)] != nil {
		eve.say(resume())
	}
	eve.say(frame(hello(far)))
	eve.say(frame(&zremsg.Ping{Sequence: 2})) // she is there, and has taken the greeting of ana
}

// TestClocks lets nodes meet whose clocks differ: what is said on a connection proves
// that it is new. Who comes is told of once, content is sealed both ways, and nobody is
// expelled for what a clock shows.
func TestClocks(t *testing.T) {
	const decade = 10 * 365 * 24 * time.Hour
	for _, security := range []api.NodeSecurity{api.NodeSecurityAuto, api.NodeSecuritySecure} {
		for shift, dated := range map[time.Duration]string{
			3 * time.Minute:  "is dated 3m0s ahead",
			decade:           "is dated 87600h0m0s ahead",
			-3 * time.Hour:   "ran out 1h0m0s ago",
			-decade:          "ran out 87598h0m0s ago",
			-5 * decade:      "ran out 437998h0m0s ago",
			-3 * time.Minute: "", // not to be told from a card that is 3 minutes old
		} {
			t.Run(fmt.Sprint(security, " ", shift), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					time.Sleep(decade + decade) // from 2000, so that it is after 1970 in the past
					time.Sleep(decade)
					l := newLAN(t)
					ana := l.node("ana", with(security), in("room"))
					defer ana.Stop()
					ben := l.node("ben", with(security), in("room"), func(n *Node) {
						n.world.Now = func() time.Time { return time.Now().Add(shift) }
					})
					defer ben.Stop()
					if dated != "" {
						ana.wants(fmt.Sprintf("network the clock of %q, or of this host, is wrong: its card %s", "ben", dated))
					}
					ana.wants("enter ben", "join ben room")
					ben.wants("enter ana", "join ana room")
					for range 5 {
						ana.must(ana.Whisper(t.Context(), ben.UUID(), text("are you there?")))
						ben.wants(`whisper ana "are you there?"`)
						ben.must(ben.Whisper(t.Context(), ana.UUID(), text("yes")))
						ana.wants(`whisper ben "yes"`)
						ben.shouts("room", "all", 1)
						ana.wants(`shout ben room "all"`)
						time.Sleep(10 * time.Minute)
					}
					ben.idle(time.Second)
					ana.idle(time.Second)
				})
			})
		}
	}
}

// TestCardOfStandingLink looks at a peer whose card was proved to be new: it counts for
// its lifetime from then on.
func TestCardOfStandingLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana, ben := l.node("ana"), l.node("ben")
		defer ana.Stop()
		defer ben.Stop()
		ana.wants("enter ben")
		p, err := ana.Peer(ben.UUID())
		ana.must(err)
		proved := p.Badge().Proved
		_, err = ana.guard.Recheck(p, proved.Add(identity.Lifetime-1))
		ana.must(err)
		if _, err = ana.guard.Recheck(p, proved.Add(identity.Lifetime)); !errors.Is(err, identity.ErrExpired) {
			t.Errorf("after its lifetime: %v", err)
		}
		time.Sleep(identity.Renewal + time.Minute)
		if p, err = ana.Peer(ben.UUID()); err != nil || !p.Badge().Proved.After(proved) {
			t.Errorf("after its renewal: %+v, %v", p, err)
		}
	})
}
