package node

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncelink"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
	"github.com/sjohnr/at-once/src/zre"
)

// fork is a link that eve has made by hand to ana, over which both directions go: it shows
// an id and a nonce, and says what a test wants it to.
type fork struct {
	*stranger
	s      *scene
	nonces guard.Nonces
	tie    *guard.Tie // of eve, with which she proves what she says
	number uint64     // of her side of the channel, as she has said it last
	theirs uint64     // of ana's, if she has not said it over this link

	mu    sync.Mutex
	heard [][][]byte // what ana has said over it
}

// fork connects eve to ana with an id. Ana has said her first word then.
func (s *scene) fork(id uuid.UUID) *fork {
	s.t.Helper()
	return s.forkFrom(outside, id)
}

// forkFrom is fork from another host.
func (s *scene) forkFrom(host string, id uuid.UUID) *fork {
	s.t.Helper()
	config := s.config(zmtp.Dealer, s.ana)
	config.Identity = routingID(id)
	if config.Properties == nil {
		config.Properties = map[string][]byte{}
	}
	config.Properties[guard.PropertyNonce] = guard.NewNonce()
	conn, err := s.memory.Host(host).Dial(s.t.Context(), parsed(s.ana.Endpoint()).Bare())
	s.ana.must(err)
	k, err := link.Open(s.t.Context(), conn, config)
	s.ana.must(err)
	f := &fork{stranger: &stranger{k, s.lan, make(chan error, 1)}, s: s}
	f.nonces, _, _ = guard.NoncesOf(k)
	f.tie, err = s.eve.Tie(s.ana.UUID(), s.ana.guard.Identity.Card())
	s.ana.must(err)
	go func() {
		f.done <- k.Serve(func(b *link.Batch) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			for i := range b.Len() {
				f.heard = append(f.heard, cloned(b.Message(i)))
			}
			b.Release()
			return nil
		})
	}()
	s.t.Cleanup(f.close)
	synctest.Wait()
	return f
}

func cloned(frames [][]byte) [][]byte {
	kept := make([][]byte, len(frames))
	for i, frame := range frames {
		kept[i] = bytes.Clone(frame)
	}
	return kept
}

// close ends the link; it may be called again.
func (f *fork) close() {
	f.Close()
	f.done <- <-f.done
}

// say sends octets as they are, when there is room for them.
func (f *fork) say(octets []byte) {
	if b, err := f.Reserve(f.s.t.Context(), len(octets)); err == nil {
		copy(b, octets)
		f.Commit()
	}
}

// says says a message of the link, as eve proves it.
func (f *fork) says(m oncelink.Message) { f.say(f.proved(m)) }

// proved returns a message of the link, as eve proves it.
func (f *fork) proved(m oncelink.Message) []byte {
	if ack, ok := m.(*oncelink.Ack); ok && ack.Own == 0 {
		ack.Own = f.number
	}
	b := linkFrame(m)
	said := b[len(b)-m.Size() : len(b)-len(guard.MAC{})]
	mac := f.tie.Prove(&f.nonces, said)
	copy(b[len(b)-len(mac):], mac[:])
	return b
}

// word returns a message of the channel that is not sealed, at a position, as eve proves it.
func (f *fork) word(position uint64, m zremsg.Message) []byte {
	said, err := m.AppendTo(nil)
	f.s.ana.must(err)
	mac := f.tie.ProveAt(guard.Place{Own: f.number, Other: cmp.Or(f.theirs, f.greeted()), Position: position}, said)
	b := append(zmtp.AppendHeader(nil, len(said), true), said...)
	return append(zmtp.AppendHeader(b, len(mac), false), mac[:]...)
}

// linkFrame returns a message of a link as it goes over the wire.
func linkFrame(m oncelink.Message) []byte {
	b, err := m.AppendTo(zmtp.AppendHeader(nil, m.Size(), false))
	if err != nil {
		panic(err)
	}
	return b
}

// hello is a right HELLO of eve for the link, with a number for her side of the channel.
func (f *fork) hello(number uint64) []byte {
	f.number = number
	hello := f.s.greeting()
	*header(hello, zre.ReservedHeader+"CHANNEL") = fmt.Sprint(number)
	f.s.eve.Present(hello, f.s.ana.UUID(), &f.nonces, challenge, nil, false)
	return frame(hello)
}

// told returns the messages of the link of a kind that ana has said over it.
func (f *fork) told(id oncelink.ID) (told []oncelink.Message) {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, frames := range f.heard {
		if got, err := oncelink.Peek(frames[0]); err == nil && got == id {
			m := oncelink.New(id)
			f.s.ana.must(m.Decode(frames[0], nil))
			told = append(told, m)
		}
	}
	return told
}

// resumed returns what ana has begun the link with.
func (f *fork) resumed() *oncelink.Resume {
	f.s.t.Helper()
	told := f.told(oncelink.IDResume)
	if len(told) != 1 {
		f.s.t.Fatalf("ana has begun the link with %v", told)
	}
	return told[0].(*oncelink.Resume)
}

// greeted returns the number of ana's side in the HELLO that she has said over the link.
func (f *fork) greeted() uint64 {
	if hello := f.greeting(); hello != nil {
		return zre.ChannelOf(hello)
	}
	return 0
}

// greeting returns the HELLO that ana has said over the link, nil for none.
func (f *fork) greeting() *zremsg.Hello {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, frames := range f.heard {
		if got, err := zremsg.Peek(frames[0]); err == nil && got == zremsg.IDHello {
			hello := new(zremsg.Hello)
			f.s.ana.must(hello.Decode(frames[0], nil))
			return hello
		}
	}
	return nil
}

// forget forgets what ana has said.
func (f *fork) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.heard = nil
}

// stands tells whether ana has not closed the link.
func (f *fork) stands() bool {
	f.s.rest()
	select {
	case err := <-f.done:
		f.done <- err
		return false
	default:
		return true
	}
}

// meets begins a channel of eve with ana, over a link, and returns ana's number of it.
func (s *scene) meets(number uint64) (f *fork, theirs uint64) {
	s.t.Helper()
	f = s.fork(s.eve.Identity.UUID())
	f.say(resume())
	f.say(f.hello(number))
	s.rest()
	if theirs = f.greeted(); theirs == 0 {
		s.t.Fatal("ana does not greet eve")
	}
	f.enters(false)
	return f, theirs
}

// again carries eve's channel on over another link, which begins where ana expects.
func (s *scene) again(number, theirs uint64) *fork {
	s.t.Helper()
	f := s.fork(s.eve.Identity.UUID())
	ana := f.resumed()
	if ana.Own != theirs || ana.Other != number {
		s.t.Fatalf("ana goes on with %+v", ana)
	}
	f.number = number
	f.says(&oncelink.Resume{Own: number, Other: theirs, Edge: channel.FirstWindow, Mac: unproved[:]})
	f.says(&oncelink.Begin{Own: number, Other: theirs, Position: ana.Expected, Mac: unproved[:]})
	return f
}

// enters expects that eve has been greeted, and is present when she has taken that; before,
// ana may be told that one of their clocks is wrong.
func (f *fork) enters(clock bool) {
	f.s.t.Helper()
	f.s.rest()
	f.says(&oncelink.Ack{Other: f.greeted(), Edge: channel.FirstWindow, Mac: unproved[:]})
	if clock {
		if got := f.s.ana.next(time.Minute); !strings.HasPrefix(got, "network the clock of") {
			f.s.t.Errorf("ana is told %q", got)
		}
	}
	f.s.ana.wants("enter eve")
}
