package server

import (
	"context"
	"crypto/ecdh"
	"fmt"
	"net"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/generated/go/oncerecord"
	serving "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/zmtp"
)

// heard is a message that has arrived; m is nil when the connection has ended.
type heard struct {
	number uint32
	m      oncemsg.Message
	frames [][]byte
}

// raw is one side of a conversation that says what the test wants.
type raw struct {
	*scene
	link  *link.Link
	in    chan heard
	own   *identity.Identity
	keys  *rendezvous.Keys
	calls uint32
	hold  chan struct{} // nil, or what is waited for before anything is read
}

// serve reads what arrives.
func (r *raw) serve() {
	_ = r.link.Serve(func(b *link.Batch) error {
		defer b.Release()
		if r.hold != nil {
			<-r.hold
		}
		for i := range b.Len() {
			number, m, err := rendezvous.ParseMessage(b.Message(i))
			if err != nil {
				r.Errorf("malformed: %x, %v", b.Message(i), err)
			}
			var frames [][]byte
			for _, frame := range b.Message(i) {
				frames = append(frames, append([]byte{}, frame...))
			}
			r.in <- heard{number, m, frames}
		}
		return nil
	})
	close(r.in)
}

// raw connects a host to the server as an identity, and waits for CHALLENGE.
func (s *scene) raw(host string, own *identity.Identity) (*raw, *oncemsg.Challenge) {
	s.Helper()
	if own.Card() == nil {
		must(own.Issue(7, time.Now()))
	}
	conn := must(s.net.Host(host).Dial(context.Background(), fmt.Sprintf("tcp://%s:%d", hostOfServer, rendezvous.Port)))
	l, err := link.Open(context.Background(), conn, link.Config{Type: zmtp.Dealer, Outbox: 4 << 20, Curve: &zmtp.Curve{Key: own.Transport(), Server: s.own.Transport().PublicKey()}})
	if err != nil {
		s.Fatal(err)
	}
	r := &raw{scene: s, link: l, in: make(chan heard, 4096), own: own}
	r.keys = rendezvous.KeysOf(secret, s.own.Card().Identity, nil)
	go r.serve()
	s.raws = append(s.raws, r)
	return r, r.next().m.(*oncemsg.Challenge)
}

// next returns what arrives next.
func (r *raw) next() heard {
	r.Helper()
	select {
	case h := <-r.in:
		return h
	case <-time.After(time.Minute):
		r.Fatal("nothing arrives")
		return heard{}
	}
}

// ended tells whether the connection ends, whatever comes before.
func (r *raw) ended() bool {
	for {
		select {
		case _, open := <-r.in:
			if !open {
				return true
			}
		case <-time.After(time.Minute):
			return false
		}
	}
}

func (r *raw) send(number uint32, m oncemsg.Message) {
	octets := must(rendezvous.AppendMessage(nil, number, m))
	room, err := r.link.ReserveControl(len(octets))
	if err != nil {
		return // it has ended
	}
	copy(room, octets)
	r.link.Commit()
}

// ask sends a request and returns the answer to it. What else arrives is dropped.
func (r *raw) ask(m oncemsg.Message) oncemsg.Message {
	r.Helper()
	r.calls++
	r.send(r.calls, m)
	for {
		h := r.next()
		if h.m == nil || h.number == r.calls {
			return h.m
		}
	}
}

// refused fails unless the answer is NOPE for a reason.
func (r *raw) refused(want serving.Reason, answer oncemsg.Message) {
	r.Helper()
	if nope, ok := answer.(*oncemsg.Nope); !ok || nope.Code != uint8(want) || nope.Text == "" {
		r.Errorf("answered %T %+v, want %v", answer, answer, want)
	}
}

// proof returns an AUTHENTICATE that is right.
func (r *raw) proof(c *oncemsg.Challenge) *oncemsg.Authenticate {
	return &oncemsg.Authenticate{
		Speaks: 1, Part: r.keys.Part, Members: r.keys.Members, Card: r.own.Card().Octets(),
		Proof: r.own.Sign(rendezvous.NodePurpose, rendezvous.NodeWords(r.keys.Server, c.Challenge, r.keys.Number)),
	}
}

// record returns a PUBLISH that is right.
func (r *raw) record(serial uint64, groups ...string) *oncemsg.Publish {
	var inside *oncerecord.Inside
	if !r.keys.Lobby() {
		inside = &oncerecord.Inside{Name: "raw", Challenge: make([]byte, 32), Groups: groups}
	}
	record, sealed, err := r.keys.Publish(r.own, serial, time.Now().Add(time.Hour), inside)
	if err != nil {
		r.Fatal(err)
	}
	return &oncemsg.Publish{Card: r.own.Card().Octets(), Record: record, Sealed: sealed}
}

// present connects a host as an identity that is let in and there.
func (s *scene) present(host string, own *identity.Identity) *raw {
	s.Helper()
	r, challenge := s.raw(host, own)
	for _, m := range []oncemsg.Message{r.proof(challenge), r.record(1)} {
		if answer, ok := r.ask(m).(*oncemsg.OK); !ok {
			s.Fatalf("%T is answered with %+v", m, answer)
		}
	}
	return r
}

func (r *raw) close() { _ = r.link.Close() }

// liar is a server that says what the test wants. It has the identity of the scene's.
func (s *scene) liar(key *ecdh.PrivateKey, who *identity.Identity, converse func(r *raw)) {
	l := must(s.net.Host(hostOfServer).Listen(context.Background(), fmt.Sprintf("tcp://*:%d", rendezvous.Port)))
	ctx, cancel := context.WithCancel(context.Background())
	s.Cleanup(cancel)
	go link.Accept(ctx, l, 100, func(conn net.Conn, over func()) {
		go func() {
			defer over()
			anyone := func([32]byte, net.Addr, *zmtp.Metadata) error { return nil }
			l, err := link.Open(ctx, conn, link.Config{Type: zmtp.Router, Curve: &zmtp.Curve{Key: key, Admit: anyone}})
			if err != nil {
				return
			}
			r := &raw{scene: s, link: l, in: make(chan heard, 4096), own: who}
			go r.serve()
			challenge := make([]byte, 32)
			r.send(0, &oncemsg.Challenge{
				Lowest: 1, Highest: 1, Challenge: challenge, Time: uint64(time.Now().Add(s.clock).UnixMilli()), Card: who.Card().Octets(),
				Proof: who.Sign(rendezvous.ServerPurpose, rendezvous.ServerWords([32]byte(key.PublicKey().Bytes()), challenge)),
			})
			converse(r)
			_ = l.Close()
			r.ended()
		}()
	}, func(error) {})
	s.liarEnds = cancel
}

// polite says OK to whatever a client needs to be there, and gives to told what it says.
func polite(r *raw, told func(h heard)) {
	for h := range r.in {
		switch h.m.(type) {
		case *oncemsg.Authenticate, *oncemsg.Publish, *oncemsg.Renew:
			r.send(h.number, &oncemsg.OK{Observed: "10.0.0.2:1", Lease: oncemsg.MaxLease})
		}
		told(h)
	}
}

// entryOf returns the ENTRY of somebody who is in a network.
func entryOf(k *rendezvous.Keys, own *identity.Identity, serial uint64, candidates, seen []string) []byte {
	return entryAt(k, own, serial, time.Now(), candidates, seen)
}

// entryAt is entryOf by another clock.
func entryAt(k *rendezvous.Keys, own *identity.Identity, serial uint64, now time.Time, candidates, seen []string) []byte {
	if own.Card() == nil {
		must(own.Issue(7, time.Now()))
	}
	record, sealed, err := k.Publish(own, serial, now.Add(90*time.Minute), &oncerecord.Inside{Name: fmt.Sprint("serial ", serial), Challenge: make([]byte, 32), Candidates: candidates})
	if err != nil {
		panic(err)
	}
	e := oncerecord.Entry{Card: own.Card().Octets(), Record: record, Sealed: sealed, Seen: seen}
	return must(e.AppendTo(nil))
}
