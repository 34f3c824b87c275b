package mapping

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
)

// pcpPort is where gateways listen for PCP and NAT-PMP.
const pcpPort = "5351"

// What is said in both protocols.
const (
	pmpVersion, pcpVersion = 0, 2
	pmpMap, pcpMap         = 2, 1
	answers                = 0x80
	tcp                    = 6
	pcpHead, pcpSize       = 24, 60
	pmpSize, pmpAnswer     = 12, 16
	maxAnswer              = 1100 // RFC 6887, 7
	tries                  = 4
	firstTry               = 250 * time.Millisecond // RFC 6886, 3.1
)

// pcp is a gateway that speaks PCP or, if that is too new for it, NAT-PMP.
type pcp struct {
	at    string
	nonce [12]byte // by which PCP knows who may renew or delete
	old   bool     // it speaks NAT-PMP
}

func newPCP(at string) *pcp {
	g := &pcp{at: at}
	rand.Read(g.nonce[:])
	return g
}

func (g *pcp) String() string {
	if g.old {
		return "NAT-PMP at " + g.at
	}
	return "PCP at " + g.at
}

func (g *pcp) Map(ctx context.Context, port, wanted uint16) (uint16, error) {
	return g.ask(ctx, port, wanted, Life)
}

func (g *pcp) Unmap(ctx context.Context, port, outer uint16) error {
	_, err := g.ask(ctx, port, 0, 0)
	return err
}

// ask asks for a mapping with a life.
func (g *pcp) ask(ctx context.Context, port, wanted uint16, life time.Duration) (uint16, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "udp", g.at)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	own, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return 0, err
	}
	if !g.old {
		outer, err := exchange(ctx, conn, g.request(own.Addr(), port, wanted, life), g.answer(port))
		if !errors.Is(err, errOld) {
			return outer, err
		}
		g.old = true
	}
	return exchange(ctx, conn, pmpRequest(port, wanted, life), func(b []byte) (uint16, error) { return pmpAnswered(b, port, life) })
}

// errOld says that a gateway speaks NAT-PMP only, errOther that a datagram answers something
// else.
var (
	errOld   = errors.New("it speaks NAT-PMP")
	errOther = errors.New("it answers something else")
)

// exchange sends a request, again and again, until there is its answer.
func exchange(ctx context.Context, conn net.Conn, request []byte, parse func([]byte) (uint16, error)) (uint16, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	b := make([]byte, maxAnswer)
	for n := range tries {
		if _, err := conn.Write(request); err != nil {
			return 0, err
		}
		if err := conn.SetReadDeadline(time.Now().Add(firstTry << n)); err != nil {
			return 0, err
		}
		for {
			n, err := conn.Read(b)
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return 0, err // nobody listens there
			}
			if outer, err := parse(b[:n]); !errors.Is(err, errOther) {
				return outer, err
			}
		}
	}
	return 0, os.ErrDeadlineExceeded
}

// request returns a MAP of PCP.
func (g *pcp) request(own netip.Addr, port, wanted uint16, life time.Duration) []byte {
	b := make([]byte, pcpSize)
	b[0], b[1] = pcpVersion, pcpMap
	binary.BigEndian.PutUint32(b[4:], uint32(life/time.Second))
	address := own.As16()
	copy(b[8:pcpHead], address[:])
	copy(b[24:], g.nonce[:])
	b[36] = tcp
	binary.BigEndian.PutUint16(b[40:], port)
	binary.BigEndian.PutUint16(b[42:], wanted)
	b[54], b[55] = 0xff, 0xff // any IPv4 address
	return b
}

// answer parses an answer to that. What refuses in the words of NAT-PMP knows no other.
func (g *pcp) answer(port uint16) func([]byte) (uint16, error) {
	return func(b []byte) (uint16, error) {
		switch {
		case len(b) >= 4 && b[0] == pmpVersion || len(b) >= 4 && b[0] == pcpVersion && b[1] == answers|pcpMap && b[3] == 1:
			return 0, errOld
		case len(b) < pcpSize || b[0] != pcpVersion || b[1] != answers|pcpMap ||
			!bytes.Equal(b[24:36], g.nonce[:]) || b[36] != tcp || binary.BigEndian.Uint16(b[40:]) != port:
			return 0, errOther
		case b[3] != 0:
			return 0, fmt.Errorf("it refuses with code %d of PCP", b[3])
		}
		return binary.BigEndian.Uint16(b[42:]), nil
	}
}

// pmpRequest returns a request of NAT-PMP.
func pmpRequest(port, wanted uint16, life time.Duration) []byte {
	b := make([]byte, pmpSize)
	b[0], b[1] = pmpVersion, pmpMap
	binary.BigEndian.PutUint16(b[4:], port)
	binary.BigEndian.PutUint16(b[6:], wanted)
	binary.BigEndian.PutUint32(b[8:], uint32(life/time.Second))
	return b
}

func pmpAnswered(b []byte, port uint16, life time.Duration) (uint16, error) {
	switch {
	case len(b) < 4 || b[0] != pmpVersion || b[1] != answers|pmpMap:
		return 0, errOther
	case binary.BigEndian.Uint16(b[2:]) != 0:
		return 0, fmt.Errorf("it refuses with code %d of NAT-PMP", binary.BigEndian.Uint16(b[2:]))
	case len(b) < pmpAnswer || binary.BigEndian.Uint16(b[8:]) != port:
		return 0, errOther
	}
	outer := binary.BigEndian.Uint16(b[10:])
	if outer == 0 && life > 0 {
		return 0, errors.New("it maps port 0")
	}
	return outer, nil
}
