package server

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/generated/go/oncerecord"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/client"
)

// beforeLiar runs a test of a node that has a server which says what the test wants, to
// each WATCH that it gets.
func beforeLiar(t *testing.T, watched func(s *scene, r *raw, h heard), test func(s *scene)) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{T: t, net: link.NewMemory(nil), log: quiet(), own: someone()}
		must(s.own.Issue(1, time.Now()))
		s.liar(s.own.Transport(), s.own, func(r *raw) {
			r.keys = rendezvous.KeysOf(secret, s.own.Card().Identity, nil)
			polite(r, func(h heard) { watched(s, r, h) })
		})
		test(s)
		s.liarEnds()
	})
}

func delta(r *raw, h heard, cursor uint64, anew uint8, entries ...[]byte) {
	if _, ok := h.m.(*oncemsg.Watch); ok {
		r.send(h.number, &oncemsg.Delta{Cursor: cursor, Anew: anew, Entries: entries})
	}
}

// TestLies: what is forged, replayed, of another network or of another's card is dropped and
// counted, and what is true beside it is taken.
func TestLies(t *testing.T) {
	ben, cid := someone(), someone()
	spoiled := func(e []byte, at int) []byte { e = bytes.Clone(e); e[at] ^= 1; return e }
	lie := func(s *scene, r *raw, h heard) {
		if _, ok := h.m.(*oncemsg.GetKey); ok {
			r.send(h.number, &oncemsg.Key{Key: make([]byte, 1216)})
		}
		old, late := entryOf(r.keys, ben, 1, nil, nil), entryOf(r.keys, ben, 2, nil, nil)
		other := entryOf(r.keys, cid, 1, nil, nil)
		away := entryOf(rendezvous.KeysOf(rendezvous.Secret{9}, s.own.Card().Identity, nil), cid, 3, nil, nil)
		var a, b oncerecord.Entry
		must(0, a.Decode(late, nil))
		must(0, b.Decode(other, nil))
		mixed := []oncerecord.Entry{
			{Card: b.Card, Record: a.Record, Sealed: a.Sealed}, // another's card
			{Card: a.Card, Record: a.Record, Sealed: b.Sealed}, // another's name
			{Card: a.Card, Record: a.Record},
			{},
		}
		delta(r, h, 1, 1, late)
		delta(r, h, 2, 0, old) // a replay
		lies := [][]byte{spoiled(late, len(late)-40), spoiled(late, 40), away, nil, []byte("junk")}
		for _, e := range mixed {
			lies = append(lies, must(e.AppendTo(nil)))
		}
		delta(r, h, 3, 0, lies...)
		if _, ok := h.m.(*oncemsg.Watch); ok { // a delta of a watch that there is not
			r.send(77, &oncemsg.Delta{Cursor: 4, Entries: [][]byte{other}})
		}
	}
	beforeLiar(t, lie, func(s *scene) {
		ana := s.node("10.0.0.2", "ana", someone())
		time.Sleep(10 * time.Second)
		if got := ana.knows(); !slices.Equal(got, []string{"serial 2"}) {
			s.Errorf("ana knows %v", got)
		}
		if p, err := ana.Look(s.Context(), ben.UUID()); err != nil || ana.FetchKey(s.Context(), p.Card) == nil {
			s.Errorf("another's sealing key is taken, %v", err)
		}
		if a, b := ana.counted("what a server tells of peers that is not right"), ana.counted("records that a server replays"); a != 9 || b != 1 {
			s.Errorf("%d lies, %d replays are counted", a, b)
		}
		leave(ana)
	})
}

// TestForgetful: a server that forgets whom it told of takes nobody away before a lease has
// passed, and what it says again that is old stays dropped after that.
func TestForgetful(t *testing.T) {
	ben := someone()
	watches := 0
	forget := func(s *scene, r *raw, h heard) {
		if _, ok := h.m.(*oncemsg.Watch); !ok {
			return
		}
		switch watches++; watches {
		case 1:
			delta(r, h, 1, 1, entryOf(r.keys, ben, 5, nil, nil))
		case 2:
			delta(r, h, 9, 1)
		default:
			delta(r, h, 10, 1, entryOf(r.keys, ben, 4, nil, nil))
		}
	}
	beforeLiar(t, forget, func(s *scene) {
		ana := s.node("10.0.0.2", "ana", someone())
		time.Sleep(time.Second)
		s.net.Cut("10.0.0.2")
		time.Sleep(80 * time.Second)
		if got := len(ana.knows()); got != 1 {
			s.Errorf("within the lease ana knows %d", got)
		}
		time.Sleep(60 * time.Second)
		if got := len(ana.knows()); got != 0 {
			s.Errorf("after the lease ana knows %d", got)
		}
		s.net.Cut("10.0.0.2")
		time.Sleep(20 * time.Second)
		if got := len(ana.knows()); got != 0 || ana.counted("records that a server replays") != 1 {
			s.Errorf("of what is old ana knows %d", got)
		}
		leave(ana)
	})
}

// TestVictims: a list of a thousand who all list a victim makes nobody dial it, and where
// the server says that it has seen them there, eight dials a minute at most.
func TestVictims(t *testing.T) {
	victim := "tcp://192.0.2.66:80 5"
	key := [32]byte{1}
	if got := client.Dialable([]string{victim}, []string{"10.0.0.3:1"}, "10.0.0.2:1", key); got != nil {
		t.Errorf("dialled at %v, where nobody was seen", got)
	}
	for candidate, want := range map[string]bool{
		"tcp://10.0.0.3:4711 1": true, "tcp://10.0.0.3:4711": true, "tcp://192.168.1.5:4711 1": false, "tcp://127.0.0.1:22 1": false,
		"tcp://victim.example:80 1": false, "tcp://0.0.0.0:80 1": false, "tcp://224.0.0.1:80 1": false, "junk": false, "": false,
		"tcp://[::ffff:10.0.0.3]:4711 1": true, "tcp://10.0.0.3:0 1": false,
	} {
		got := client.Dialable([]string{candidate}, []string{"10.0.0.3:49152", "junk"}, "203.0.113.1:1", key)
		if (len(got) == 1) != want {
			t.Errorf("%q: %v", candidate, got)
		}
	}
	if got := client.Dialable([]string{"tcp://192.168.1.5:4711 1"}, []string{"203.0.113.1:7"}, "203.0.113.1:1", key); len(got) != 1 || *got[0].KeyOf() != key {
		t.Errorf("behind one address: %v", got)
	}
	var dials client.Dials
	now, allowed := time.Now(), 0
	for range 10000 {
		if dials.Allow(netip.MustParseAddr("192.0.2.66"), now) {
			allowed++
		}
	}
	if allowed != 8 || !dials.Allow(netip.MustParseAddr("192.0.2.66"), now.Add(time.Minute)) {
		t.Errorf("one address is dialled %d times", allowed)
	}
	allowed = 0
	for n := range 10000 {
		if dials.Allow(netip.AddrFrom4([4]byte{192, 0, byte(n >> 8), byte(n)}), now.Add(2*time.Minute)) {
			allowed++
		}
	}
	if allowed != 256 {
		t.Errorf("a list of ten thousand makes %d dials", allowed)
	}
}

// TestIntroductionsThatLie: what is not sealed for the node, or came before, or of another
// time, is refused; and an answer that is not the peer's is none.
func TestIntroductionsThatLie(t *testing.T) {
	ben, mallory := someone(), someone()
	var refusals, answers int
	var asked []byte
	lie := func(s *scene, r *raw, h heard) {
		must(ben.Issue(7, time.Now()))
		must(mallory.Issue(7, time.Now()))
		switch m := h.m.(type) {
		case *oncemsg.Watch:
			delta(r, h, 1, 1, entryOf(r.keys, ben, 1, nil, nil))
			ana := s.raws[0].own.Card() // who the node is
			sealed := func(own *identity.Identity, to *identity.Card, at time.Time, answers uint8) []byte {
				return must(r.keys.SealMeeting(own, to, oncerecord.Meeting{Nonce: bytes.Repeat([]byte{7}, 16), Time: uint64(at.UnixMilli()), Answers: answers}))
			}
			good := sealed(ben, ana, time.Now(), 0)
			for n, i := range []*oncemsg.Introduction{
				{Peer: ben.UUID(), Meeting: good},
				{Peer: ben.UUID(), Meeting: good},     // again
				{Peer: mallory.UUID(), Meeting: good}, // as another's
				{Peer: ben.UUID(), Meeting: sealed(mallory, ana, time.Now(), 0)},
				{Peer: ben.UUID(), Meeting: sealed(ben, mallory.Card(), time.Now(), 0)},
				{Peer: ben.UUID(), Meeting: sealed(ben, ana, time.Now().Add(-3*time.Minute), 0)},
				{Peer: ben.UUID(), Meeting: sealed(ben, ana, time.Now(), 1)},
				{Peer: ben.UUID(), Meeting: nil},
			} {
				r.send(uint32(1000+n), i)
			}
		case *oncemsg.Answer:
			answers++
		case *oncemsg.Nope:
			refusals++
		case *oncemsg.Introduce:
			ana := s.raws[0].own.Card()
			by := mallory
			if asked == nil {
				by = ben // but to another question
			}
			asked = m.Meeting
			r.send(h.number, &oncemsg.Answered{Meeting: must(r.keys.SealMeeting(by, ana, oncerecord.Meeting{Nonce: make([]byte, 16), Answers: 1}))})
		}
	}
	beforeLiar(t, lie, func(s *scene) {
		own := someone()
		s.raws = []*raw{{own: own}}
		ana := s.node("10.0.0.2", "ana", own)
		time.Sleep(time.Second)
		synctest.Wait()
		if answers != 1 || refusals != 7 || len(ana.meetings()) != 1 {
			s.Errorf("%d answers, %d refusals, %d meetings", answers, refusals, len(ana.meetings()))
		}
		for range 2 {
			if m, err := ana.Introduce(s.Context(), ben.UUID()); err == nil {
				s.Errorf("%+v is taken for ben's", m)
			}
		}
		leave(ana)
	})
}

// TestServerThatIsSilent: a server that does not answer what it answers by itself counts as
// lost, and the next conversation begins.
func TestServerThatIsSilent(t *testing.T) {
	var began atomic.Int32
	beforeLiar(t, func(_ *scene, _ *raw, h heard) {
		if _, watches := h.m.(*oncemsg.Watch); watches {
			began.Add(1)
		}
	}, func(s *scene) {
		ana := s.node("10.0.0.2", "ana", someone())
		time.Sleep(time.Second)
		at := time.Now()
		if _, err := ana.Circuit(s.Context(), someone().UUID(), nil, nil); !errors.Is(err, client.ErrAway) || time.Since(at) > oncemsg.MaxCall*time.Millisecond {
			s.Errorf("a circuit: %v, after %v", err, time.Since(at))
		}
		time.Sleep(5 * time.Second)
		if began.Load() < 2 {
			s.Errorf("it has spoken with the server %d times", began.Load())
		}
		leave(ana)
	})
}

// TestServerSeesNothing: of all that a node says to a server, what is secret is in none.
func TestServerSeesNothing(t *testing.T) {
	var said [][]byte
	ben := someone()
	tap := func(s *scene, r *raw, h heard) {
		said = append(said, h.frames...)
		delta(r, h, 1, 1, entryOf(r.keys, ben, 1, nil, nil))
	}
	beforeLiar(t, tap, func(s *scene) {
		own := someone()
		ana := s.node("10.0.0.2", "anabelle", own, func(c *client.Config) {
			c.Watched = func() []string { return []string{"secretroom"} }
		})
		ana.mu.Lock()
		ana.what.Groups, ana.what.Headers = []string{"secretroom"}, map[string]string{"X-HIDDEN": "hiddenvalue"}
		ana.mu.Unlock()
		ana.Renew()
		time.Sleep(time.Second)
		go func() { _, _ = ana.Introduce(s.Context(), ben.UUID()) }()
		time.Sleep(time.Second)
		leave(ana)
		synctest.Wait()
		k := rendezvous.KeysOf(secret, s.own.Card().Identity, nil)
		tag := k.Group("secretroom")
		text := bytes.Join(said, nil)
		for what, hidden := range map[string][]byte{
			"SECRET": secret[:], "the name": []byte("anabelle"), "the group": []byte("secretroom"), "a header": []byte("hiddenvalue"),
			"where it listens": []byte(":4711"), "the transport key": own.Transport().Bytes(),
		} {
			if bytes.Contains(text, hidden) {
				s.Errorf("a server reads %s", what)
			}
		}
		if !bytes.Contains(text, tag[:]) || !bytes.Contains(text, k.Part) || !bytes.Contains(text, own.Card().Octets()) || len(said) < 5 {
			s.Errorf("the search finds not even what is said: %d frames", len(said))
		}
	})
}

// TestAnotherServer: the identity of the first contact counts, even if somebody has KEY; and
// a server that has another key goes on being known by the first.
func TestAnotherServer(t *testing.T) {
	inScene(t, 0, open(), func(s *scene) {
		address := s.address()
		pins := pinsOf{}
		join := func(c *client.Config) { c.Address, c.Pins = address, pins }
		ana := s.node("10.0.0.2", "ana", someone(), join)
		time.Sleep(time.Second)
		if ana.State().Trouble != "" {
			s.Fatal(ana.State().Trouble)
		}
		old, key := s.own, s.own.Transport()
		s.server.Close()
		// Somebody who has KEY, and another identity.
		thief := someone()
		thief.Lend(key)
		must(thief.Issue(1, time.Now()))
		s.liar(key, thief, func(r *raw) { polite(r, func(heard) {}) })
		time.Sleep(2 * time.Minute)
		if got := ana.State().Trouble; got == "" {
			s.Error("a thief is taken for the server")
		}
		s.liarEnds()
		time.Sleep(time.Second)

		// The server with its next KEY, known by the one before too.
		next := must(ecdh.X25519().GenerateKey(rand.Reader))
		old.Lend(next)
		must(old.Issue(old.Card().Incarnation+1, time.Now()))
		s.former = key
		s.run()
		time.Sleep(3 * time.Minute)
		if got := ana.State().Trouble; got != "" {
			s.Errorf("ana does not come back: %s", got)
		}
		ben := s.node("10.0.0.3", "ben", someone(), func(c *client.Config) { c.Address = address })
		time.Sleep(time.Minute)
		if got := ana.knows(); len(got) != 1 {
			s.Errorf("ben comes with an old address, and ana knows %v", got)
		}
		if pin := pins[address.Key]; pin.Key != [32]byte(next.PublicKey().Bytes()) {
			s.Errorf("the next KEY is not remembered: %x", pin.Key)
		}
		// Once the old KEY is served no more, who has learnt the next goes on.
		s.server.Close()
		s.former = nil
		s.run()
		time.Sleep(3 * time.Minute)
		if a := ana.State().Trouble; a != "" {
			s.Errorf("ana does not come back: %s", a)
		}
		cid := s.node("10.0.0.4", "cid", someone(), func(c *client.Config) { c.Address = address })
		time.Sleep(time.Minute)
		if cid.State().Trouble == "" {
			s.Error("who is new comes in by a key that is served no more")
		}
		leave(ana, ben, cid)
	})
}

// pinsOf keeps pins in memory.
type pinsOf map[[32]byte]client.Pin

func (p pinsOf) Pin(key [32]byte) (client.Pin, bool) { pin, ok := p[key]; return pin, ok }
func (p pinsOf) Keep(key [32]byte, pin client.Pin) error {
	p[key] = pin
	return nil
}

// TestLobby: it gives nobody's address but to who is introduced, and the peer decides.
func TestLobby(t *testing.T) {
	inScene(t, 0, open(), func(s *scene) {
		lobby := func(c *client.Config) { c.Address.Secret = rendezvous.Secret{} }
		ana, ben := s.node("10.0.0.2", "ana", someone(), lobby), s.node("10.0.0.3", "ben", someone(), lobby)
		time.Sleep(time.Second)
		p, err := ana.Look(s.Context(), ben.own.UUID())
		if err != nil || len(p.Seen) > 0 || p.Inside != nil || len(ana.Peers()) > 0 {
			s.Errorf("%+v, %v", p, err)
		}
		ben.mu.Lock()
		ben.willing = false
		ben.mu.Unlock()
		if m, err := ana.Introduce(s.Context(), ben.own.UUID()); err == nil {
			s.Errorf("%+v", m)
		}
		ben.mu.Lock()
		ben.willing = true
		ben.mu.Unlock()
		if m, err := ana.Introduce(s.Context(), ben.own.UUID()); err != nil || len(m.Dial) != 1 || !m.Lobby {
			s.Errorf("%+v, %v", m, err)
		}
		leave(ana, ben)
	})
}

// TestClocks: a node whose clock is wrong is there all the same, since records are dated by the
// clock of the server.
func TestClocks(t *testing.T) {
	inScene(t, 0, open(), func(s *scene) {
		own := someone()
		must(own.Issue(1, time.Now().Add(-90*time.Minute))) // its clock is an hour and a half behind
		ana, ben := s.node("10.0.0.2", "ana", own), s.node("10.0.0.3", "ben", someone())
		time.Sleep(time.Second)
		if len(ben.knows()) != 1 {
			s.Error("who has another clock is not there")
		}
		if _, err := ben.Introduce(s.Context(), own.UUID()); err != nil {
			s.Error(err)
		}
		leave(ana, ben)
	})
}
