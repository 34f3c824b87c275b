package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/sjohnr/at-once/bindings/go/once"
	"github.com/zeromq/goczmq"
)

const (
	pollTime = 100        // milliseconds until a blocked call looks at its context
	whisper  = 0xAAA10202 // signature, id and version of a ZRE WHISPER, before its sequence
)

// goczmqStack speaks as ZRE does: what a peer sends goes through its DEALER to
// the other's ROUTER, in messages of a WHISPER frame and a content frame.
type goczmqStack struct{}

// Listen binds; the caller's first message says where to connect back to.
func (goczmqStack) Listen(ctx context.Context, o order, tell func(string) error) ([]peer, error) {
	p, endpoint, err := newGoczmq(o.Trial.Security)
	if err != nil {
		return nil, err
	}
	var caller string
	err = tell(endpoint)
	if err == nil {
		err = p.Receive(ctx, func(content []byte) (bool, error) {
			caller = string(content)
			return false, nil
		})
	}
	if err == nil {
		err = connect(p.dealer, caller)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return []peer{p}, nil
}

func (goczmqStack) Call(ctx context.Context, o order) (peer, error) {
	p, endpoint, err := newGoczmq(o.Trial.Security)
	if err != nil {
		return nil, err
	}
	err = connect(p.dealer, o.Address)
	if err == nil {
		err = p.Send(ctx, []byte(endpoint))
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

type goczmqPeer struct {
	router, dealer *goczmq.Sock
	header         [6]byte // of the WHISPER to send next
	want           uint16  // sequence of the one to receive next
}

// newGoczmq returns a peer that does not send anywhere yet, and its endpoint. It
// knows no security but CURVE, of which the key follows the endpoint.
func newGoczmq(s once.Security) (*goczmqPeer, string, error) {
	p := &goczmqPeer{router: goczmq.NewSock(goczmq.Router), dealer: goczmq.NewSock(goczmq.Dealer)}
	binary.BigEndian.PutUint32(p.header[:], whisper)
	p.router.SetRcvtimeo(pollTime)
	p.dealer.SetSndtimeo(pollTime)
	key := ""
	if s != once.SecurityPlain {
		cert := goczmq.NewCert()
		defer cert.Destroy()
		p.router.SetCurveServer(1)
		cert.Apply(p.router)
		cert.Apply(p.dealer)
		key = "|" + cert.PublicText()
	}
	port, err := p.router.Bind("tcp://127.0.0.1:*")
	if err != nil {
		return nil, "", errors.Join(err, p.Close())
	}
	return p, fmt.Sprintf("tcp://127.0.0.1:%d%s", port, key), nil
}

// connect tries again a few times, since Go's preemption signal can interrupt
// libzmq, which goczmq reports like any other failure.
func connect(s *goczmq.Sock, endpoint string) (err error) {
	endpoint, key, encrypts := strings.Cut(endpoint, "|")
	if encrypts {
		s.SetCurveServerkey(key)
	}
	for range 5 {
		if err = s.Connect(endpoint); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%s: %w", endpoint, err)
}

func (p *goczmqPeer) Send(ctx context.Context, content []byte) error {
	if err := p.sendFrame(ctx, p.header[:], goczmq.FlagMore); err != nil {
		return err
	}
	binary.BigEndian.PutUint16(p.header[4:], binary.BigEndian.Uint16(p.header[4:])+1)
	return p.sendFrame(ctx, content, 0)
}

// sendFrame repeats what was interrupted or has taken too long, until ctx ends.
func (p *goczmqPeer) sendFrame(ctx context.Context, frame []byte, flags int) error {
	for {
		if err := p.dealer.SendFrame(frame, flags); err == nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
	}
}

func (p *goczmqPeer) Receive(ctx context.Context, handle func([]byte) (bool, error)) error {
	var begun [][]byte // frames of a message before goczmq was interrupted
	for {
		frames, err := p.router.RecvMessage() // the caller's identity, WHISPER, content
		if len(begun) > 0 {
			frames = append(begun, frames...)
		}
		begun = nil
		switch {
		case err != nil && ctx.Err() != nil:
			return errors.Join(err, ctx.Err())
		case err != nil:
			begun = frames // interrupted, or nothing came for pollTime
			continue
		case len(frames) != 3 || len(frames[1]) != len(p.header) || binary.BigEndian.Uint32(frames[1]) != whisper:
			return errors.New("received what is no WHISPER")
		case binary.BigEndian.Uint16(frames[1][4:]) != p.want:
			return errOrder
		}
		p.want++
		if more, err := handle(frames[2]); err != nil || !more {
			return err
		}
	}
}

// Close drops what is not yet sent.
func (p *goczmqPeer) Close() error {
	p.router.Destroy()
	p.dealer.Destroy()
	return nil
}
