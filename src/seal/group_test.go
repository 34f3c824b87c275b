package seal

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/onceseal"
)

var (
	alice = uuid.UUID{15: 1, 6: 0x80, 8: 0x80}
	bob   = uuid.UUID{15: 2, 6: 0x80, 8: 0x80}
)

// prover is a session in which a sender to a group proves what it says.
type prover struct {
	*pair
	group *GroupSender
}

// newShout returns a sender to a group, its session, and a receiver that has been
// there from the beginning.
func newShout(t testing.TB) (*GroupSender, prover, *GroupReceiver) {
	t.Helper()
	sender := must(NewGroup(alice, "ROOM"))(t)
	return sender, prover{newPair(t), sender}, join(t, sender)
}

// proof returns one of a frame.
func (p prover) proof(frame []byte) []byte { return p.sender.AppendProof(nil, p.group.proof(frame)) }

// hear has a receiver open a frame that is proved.
func (p prover) hear(g *GroupReceiver, frame []byte) (string, error) {
	return hear(func(frame []byte, frames [][]byte) ([][]byte, error) {
		return g.Open(p.receiver, frame, p.proof(frame), frames)
	}, frame)
}

// say seals a text.
func (g *GroupSender) say(text string) []byte {
	frame, _ := g.Append(nil, frames(text), new(Key))
	return frame
}

func join(t testing.TB, sender *GroupSender) *GroupReceiver {
	t.Helper()
	key := sender.Key()
	return must(NewGroupReceiver(alice, &key))(t)
}

// clone returns all that a receiver knows, without sharing it.
func (g *GroupReceiver) clone() *GroupReceiver {
	c := *g
	c.chain.bound = slices.Grow(slices.Clone(g.bound), headSize)
	c.skipped = nil
	for _, s := range g.skipped {
		key := *s.key
		c.skipped = append(c.skipped, skipped{s.number, &key})
	}
	return &c
}

func equal(a, b *GroupReceiver) bool {
	return a.key == b.key && a.number == b.number && a.state == b.state &&
		slices.EqualFunc(a.skipped, b.skipped, func(a, b skipped) bool { return a.number == b.number && *a.key == *b.key })
}

func TestGroupContent(t *testing.T) {
	sender, p, receiver := newShout(t)
	for i, content := range contents() {
		var key Key
		frame, digest := sender.Append([]byte("before"), content, &key)
		frame = frame[len("before"):]
		own, err := OpenGroup(alice, "ROOM", &key, bytes.Clone(frame), frames("before"))
		if err != nil || !same(own[1:], content) || string(own[0]) != "before" {
			t.Errorf("content %d again: %.80q, %v", i, own, err)
		}
		if _, err := OpenGroup(alice, "ROOM2", &key, bytes.Clone(frame), nil); !errors.Is(err, ErrForged) {
			t.Errorf("content %d for another group: %v", i, err)
		}
		if len(frame) != Size(content) {
			t.Errorf("content %d: %d octets, Size says %d", i, len(frame), Size(content))
		}
		var m onceseal.Group
		if err := m.Decode(frame, nil); err != nil || m.Key != sender.key || m.Number != uint64(i) {
			t.Errorf("content %d: key %d, number %d, %v", i, m.Key, m.Number, err)
		}
		if again := must(m.AppendTo(nil))(t); !bytes.Equal(again, frame) {
			t.Errorf("content %d: the codec makes %.40x of it, not %.40x", i, again, frame)
		}
		if m.Key != receiver.Key() {
			t.Errorf("content %d: key %d, and the receiver has %d", i, m.Key, receiver.Key())
		}
		proof := p.sender.AppendProof(nil, digest)
		if len(proof) != SizeProof {
			t.Errorf("a proof of %d octets", len(proof))
		}
		got, err := receiver.Open(p.receiver, frame, proof, frames("before"))
		if err != nil || !same(got[1:], content) || string(got[0]) != "before" {
			t.Errorf("content %d: %.80q, %v", i, got, err)
		}
	}
}

// Nothing that differs from what was sent and proved opens, or changes anything.
func TestTamperedGroup(t *testing.T) {
	sender, p, receiver := newShout(t)
	sender.say("skipped")
	first, second := sender.say("first"), sender.say("second")
	if _, err := p.hear(receiver, first); err != nil {
		t.Fatal(err)
	}
	before := receiver.clone()
	refused := func(what, name string, frame, proof []byte) {
		was := bytes.Clone(frame)
		content, err := receiver.Open(p.receiver, frame, proof, nil)
		if content != nil || !equal(receiver, before) || !oneOf(err, ErrMalformed, ErrForged, ErrKey, ErrReplay, ErrGap) {
			t.Fatalf("%s, %s: %q, %v, or a change", what, name, content, err)
		}
		if !bytes.Equal(frame, was) {
			t.Fatalf("%s, %s: the frame is changed", what, name)
		}
	}
	for name, frame := range tampered(second) {
		refused("message", name, frame, p.proof(second))
	}
	for name, proof := range tampered(p.proof(second)) {
		refused("proof", name, bytes.Clone(second), proof)
	}
	refused("proof", "of the first", bytes.Clone(second), p.proof(first))
	refused("proof", "that is content", bytes.Clone(second), p.say("second"))
	if said, err := p.hear(receiver, second); said != "second" || err != nil {
		t.Errorf("%q, %v", said, err)
	}
}

func TestGroupOrder(t *testing.T) {
	sender, p, receiver := newShout(t)
	var sent [][]byte
	for range 4000 {
		sent = append(sent, sender.say("x"))
	}
	for _, test := range []struct {
		number, kept int
		want         error
	}{
		{0, 0, nil}, {0, 0, ErrReplay}, {2, 1, nil}, {1, 0, nil}, {1, 0, ErrReplay}, {2, 0, ErrReplay},
		{1028, 0, ErrGap}, {1027, 1024, nil}, {1028, 1023, nil}, {3, 1023, ErrReplay}, {5, 1022, nil},
		{2053, 1024, nil}, {1028, 1024, ErrReplay}, {1029, 1023, nil}, {1029, 1023, ErrReplay}, {2052, 1022, nil},
		{3999, 1022, ErrGap}, {3078, 1024, nil}, {3077, 1023, nil}, {3077, 1023, ErrReplay},
	} {
		_, err := p.hear(receiver, sent[test.number])
		if !errors.Is(err, test.want) || len(receiver.skipped) != test.kept {
			t.Errorf("%d: %v, %d keys kept, want %v, %d", test.number, err, len(receiver.skipped), test.want, test.kept)
		}
	}
	receiver.Forget()
	for number, want := range map[int]error{3076: ErrReplay, 3079: nil} {
		if _, err := p.hear(receiver, sent[number]); !errors.Is(err, want) || len(receiver.skipped) > 0 {
			t.Errorf("%d after all are forgotten: %v, %d keys kept", number, err, len(receiver.skipped))
		}
	}
}

// Who has all that a receiver has opens nothing that it has opened, or that came
// before it.
func TestThePastOfAGroup(t *testing.T) {
	sender, p, receiver := newShout(t)
	var past [][]byte
	for i := range 10 {
		past = append(past, sender.say("secret"))
		if i%2 == 0 {
			continue // stays skipped
		}
		if _, err := p.hear(receiver, past[i]); err != nil {
			t.Fatal(err)
		}
	}
	newcomer := join(t, sender)
	for i, frame := range past {
		said, err := p.hear(receiver.clone(), frame)
		if skipped := i%2 == 0; skipped != (err == nil) || !skipped && !errors.Is(err, ErrReplay) {
			t.Errorf("message %d: %q, %v", i, said, err)
		}
		if _, err := p.hear(newcomer, frame); !errors.Is(err, ErrReplay) {
			t.Errorf("message %d, for a newcomer: %v", i, err)
		}
		// The state under any number, and every key, are of no use.
		thief := receiver.clone()
		thief.number, thief.skipped = uint64(i), nil
		if said, err := p.hear(thief, frame); !errors.Is(err, ErrForged) {
			t.Errorf("message %d, with the chain put back: %q, %v", i, said, err)
		}
		for _, s := range receiver.skipped {
			thief := receiver.clone()
			thief.number, thief.skipped = uint64(len(past)), []skipped{{uint64(i), s.key}}
			if said, err := p.hear(thief.clone(), frame); (err == nil) != (s.number == uint64(i)) {
				t.Errorf("message %d, with the key of %d: %q, %v", i, s.number, said, err)
			}
		}
	}
	key := receiver.skipped[0].key
	if _, err := p.hear(receiver, past[0]); err != nil || *key != [chainSize]byte{} {
		t.Errorf("a key that was used is not wiped, or %v", err)
	}
}

// A sender keeps nothing of the chain that it has moved on from, not even in a key that
// it gave.
func TestSenderForgets(t *testing.T) {
	sender, p, _ := newShout(t)
	key := sender.Key()
	frame := sender.say("secret")
	thief := must(NewGroupReceiver(alice, &key))(t)
	if said, err := p.hear(thief, frame); !errors.Is(err, ErrForged) {
		t.Errorf("%q, %v", said, err)
	}
}

// Who has been a member opens nothing that is sealed after the key was drawn anew.
func TestRedraw(t *testing.T) {
	sender, p, gone := newShout(t)
	before := sender.say("before")
	sender.Redraw()
	after, stays := sender.say("after"), join(t, sender)
	secret := sender.say("secret")
	if said, err := p.hear(gone, before); said != "before" || err != nil {
		t.Errorf("%q, %v", said, err)
	}
	for _, frame := range [][]byte{after, secret} {
		if _, err := p.hear(gone, frame); !errors.Is(err, ErrKey) {
			t.Errorf("the key that it had: %v", err)
		}
		thief := gone.clone()
		thief.key, thief.number = sender.key, 0
		if said, err := p.hear(thief, frame); !errors.Is(err, ErrForged) {
			t.Errorf("the chain that it had: %q, %v", said, err)
		}
	}
	if said, err := p.hear(stays, secret); said != "secret" || err != nil {
		t.Errorf("%q, %v", said, err)
	}
}

// Who has the chain but not the session can say nothing as the sender, nor give out
// what the sender said as its own or as said to another group.
func TestForgedShout(t *testing.T) {
	sender, p, receiver := newShout(t)
	key := sender.Key()
	key.Chain = slices.Clone(key.Chain)
	frame := sender.say("said")
	forger := must(NewGroup(alice, "ROOM"))(t)
	forger.key, forger.number, forger.state = key.Key, key.Number, [chainSize]byte(key.Chain)
	forged, mallory := forger.say("forged"), prover{newPair(t), forger}
	mallory.sender.next = 40 // as fresh a number as any
	for name, proof := range map[string][]byte{
		"what the sender has proved": p.proof(frame),
		"another's proof":            mallory.proof(forged),
		"no proof":                   nil,
	} {
		if got, err := receiver.Open(p.receiver, bytes.Clone(forged), proof, nil); got != nil || !oneOf(err, ErrForged, ErrMalformed) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	elsewhere := key
	elsewhere.Group = "HALL"
	for name, other := range map[string]*GroupReceiver{
		"as another":    must(NewGroupReceiver(bob, &key))(t),
		"another group": must(NewGroupReceiver(alice, &elsewhere))(t),
	} {
		if said, err := p.hear(other, frame); !errors.Is(err, ErrForged) {
			t.Errorf("%s: %q, %v", name, said, err)
		}
	}
	if said, err := p.hear(receiver, frame); said != "said" || err != nil {
		t.Errorf("%q, %v", said, err)
	}
}

// A sender may prove what does not open.
func TestProvedNonsense(t *testing.T) {
	sender, p, receiver := newShout(t)
	frame := sender.say("said")
	frame[len(frame)-1] ^= 1
	for _, want := range []error{ErrForged, ErrReplay} {
		if _, err := p.hear(receiver, frame); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	if said, err := p.hear(receiver, sender.say("more")); said != "more" || err != nil {
		t.Errorf("%q, %v", said, err)
	}
}

// A proof is no content.
func TestProofAlone(t *testing.T) {
	sender, p, _ := newShout(t)
	if content, key, err := p.receiver.Open(p.proof(sender.say("said")), nil); content != nil || key != nil || !errors.Is(err, ErrMalformed) {
		t.Errorf("%q, %v, %v", content, key, err)
	}
}

func TestMalformedKeys(t *testing.T) {
	key := must(NewGroup(alice, "ROOM"))(t).Key()
	for name, change := range map[string]func(*onceseal.Key){
		"a short chain":  func(k *onceseal.Key) { k.Chain = k.Chain[1:] },
		"a long name":    func(k *onceseal.Key) { k.Group = strings.Repeat("x", 256) },
		"no chain":       func(k *onceseal.Key) { k.Chain = nil },
		"a longer chain": func(k *onceseal.Key) { k.Chain = make([]byte, 33) },
	} {
		bad := key
		change(&bad)
		if g, err := NewGroupReceiver(alice, &bad); g != nil || !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewGroup(alice, strings.Repeat("x", 256)); !errors.Is(err, ErrMalformed) {
		t.Errorf("a long name: %v", err)
	}
	// A sender that begins at the end of numbers harms only itself.
	key.Number = math.MaxUint64 - 1
	g := must(NewGroupReceiver(alice, &key))(t)
	var taken [chainSize]byte
	for _, number := range []uint64{math.MaxUint64, math.MaxUint64 - 1, 1000, 0} {
		if g.expects(number) == nil {
			g.take(number, &taken)
		}
	}
	if len(g.skipped) > maxSkip+1 {
		t.Errorf("%d keys kept", len(g.skipped))
	}
}
