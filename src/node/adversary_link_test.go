package node

import (
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncelink"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/zmtp"
)

// conversation is what ana has of a channel.
type conversation struct {
	*talk
	mine, theirs, next uint64
	over               *link.Link
	lanes              int
}

// with returns what there is of ana's channel with somebody.
func (s *scene) conversation(of uuid.UUID) (c conversation) {
	s.ana.loop.do(func() {
		if t := s.ana.loop.of(of).talk; t != nil && t.in != nil && t.over != nil {
			c = conversation{t, t.mine, t.in.theirs, t.in.reach.Next(), t.over.link, len(t.lanes)}
		}
	})
	return c
}

// TestForgedLinks has eve make links as ben, and say of his channel with ana what he might.
// His channel goes on, over the link that it had; hers ends.
func TestForgedLinks(t *testing.T) {
	content := func(m zremsg.Message, content ...[]byte) func(*fork, *oncelink.Resume) [][]byte {
		return func(*fork, *oncelink.Resume) [][]byte { return [][]byte{resume(), frame(m, content...)} }
	}
	for _, c := range []struct {
		name  string
		words func(f *fork, ana *oncelink.Resume) [][]byte
	}{
		{"nothing", func(*fork, *oncelink.Resume) [][]byte { return nil }},
		{"that no channel is known", func(*fork, *oncelink.Resume) [][]byte { return [][]byte{resume()} }},
		{"the channel, without a proof", func(_ *fork, ana *oncelink.Resume) [][]byte {
			return [][]byte{linkFrame(&oncelink.Resume{Own: ana.Other, Other: ana.Own, Edge: math.MaxUint64, Mac: unproved[:]})}
		}},
		{"the channel, with a proof of hers", func(f *fork, ana *oncelink.Resume) [][]byte {
			return [][]byte{f.proved(&oncelink.Resume{Own: ana.Other, Other: ana.Own, Edge: math.MaxUint64, Mac: unproved[:]})}
		}},
		{"what ana has said", func(_ *fork, ana *oncelink.Resume) [][]byte { return [][]byte{linkFrame(ana)} }},
		{"what ana has said, turned around", func(_ *fork, ana *oncelink.Resume) [][]byte {
			return [][]byte{linkFrame(&oncelink.Resume{Own: ana.Other, Other: ana.Own, Expected: ana.Expected, Edge: ana.Edge, Mac: ana.Mac})}
		}},
		{"what ben has said first on his link", func(f *fork, _ *oncelink.Resume) [][]byte {
			return [][]byte{appendFrames(nil, f.s.ben.words(f.s.tap.between(f.s.ben, f.s.ana))[0])}
		}},
		{"all that ben has said on his link", func(f *fork, _ *oncelink.Resume) (words [][]byte) {
			for _, frames := range f.s.ben.words(f.s.tap.between(f.s.ben, f.s.ana)) {
				words = append(words, appendFrames(nil, frames))
			}
			return words
		}},
		{"another number of his", func(f *fork, ana *oncelink.Resume) [][]byte {
			return [][]byte{f.proved(&oncelink.Resume{Own: ana.Other + 1, Other: ana.Own, Mac: unproved[:]})}
		}},
		{"another number of hers", func(f *fork, ana *oncelink.Resume) [][]byte {
			return [][]byte{f.proved(&oncelink.Resume{Own: ana.Other, Other: ana.Own + 1, Mac: unproved[:]})}
		}},
		{"a channel that ana does not know", func(f *fork, ana *oncelink.Resume) [][]byte {
			return [][]byte{f.proved(&oncelink.Resume{Own: 1, Other: math.MaxUint64, Expected: math.MaxUint64, Edge: math.MaxUint64, Mac: unproved[:]})}
		}},
		{"BEGIN first", func(f *fork, ana *oncelink.Resume) [][]byte {
			return [][]byte{f.proved(&oncelink.Begin{Own: ana.Other, Other: ana.Own, Mac: unproved[:]})}
		}},
		{"ACK first", func(f *fork, ana *oncelink.Resume) [][]byte {
			return [][]byte{f.proved(&oncelink.Ack{Other: ana.Own, Edge: math.MaxUint64, Mac: unproved[:]})}
		}},
		{"USE first", func(f *fork, ana *oncelink.Resume) [][]byte {
			return [][]byte{f.proved(&oncelink.Use{Own: ana.Other, Turn: math.MaxUint64, Mac: unproved[:]})}
		}},
		{"RESUME twice", func(*fork, *oncelink.Resume) [][]byte { return [][]byte{resume(), resume()} }},
		{"BEGIN", func(f *fork, ana *oncelink.Resume) [][]byte {
			return [][]byte{resume(), f.proved(&oncelink.Begin{Own: ana.Other, Other: ana.Own, Mac: unproved[:]})}
		}},
		{"ACK", func(f *fork, ana *oncelink.Resume) [][]byte {
			return [][]byte{resume(), f.proved(&oncelink.Ack{Other: ana.Own, Edge: math.MaxUint64, Mac: unproved[:]})}
		}},
		{"USE", func(f *fork, ana *oncelink.Resume) [][]byte {
			return [][]byte{resume(), f.proved(&oncelink.Use{Own: ana.Other, Turn: math.MaxUint64, Mac: unproved[:]})}
		}},
		{"GOODBYE", content(&zremsg.Goodbye{Sequence: 2})},
		{"LEAVE", content(&zremsg.Leave{Sequence: 2, Group: "room", Status: 2})},
		{"PING", content(&zremsg.Ping{Sequence: 2})},
		{"WHISPER", content(&zremsg.Whisper{Sequence: 2}, []byte("from ben"))},
		{"no message of a link", func(*fork, *oncelink.Resume) [][]byte {
			return [][]byte{resume(), append(zmtp.AppendHeader(nil, 4, false), 0xAA, 0xA8, 9, 1)}
		}},
		{"half of a RESUME", func(*fork, *oncelink.Resume) [][]byte {
			half := resume()[2:20]
			return [][]byte{append(zmtp.AppendHeader(nil, len(half), false), half...)}
		}},
		{"a RESUME of two frames", func(*fork, *oncelink.Resume) [][]byte {
			whole := resume()[2:]
			return [][]byte{append(append(zmtp.AppendHeader(nil, len(whole), true), whole...), zmtp.AppendHeader(nil, 0, false)...)}
		}},
		{"a RESUME of another version", func(*fork, *oncelink.Resume) [][]byte {
			whole := resume()
			whole[2+3]++
			return [][]byte{whole}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, api.NodeSecurityAuto)
				s.ben.talk(s.ana)
				s.memory.Cut(s.ben.host) // so that a link has carried their channel on
				s.ben.talk(s.ana)
				s.rest()
				before := s.conversation(s.ben.UUID())
				if before.talk == nil {
					t.Fatal("there is no channel")
				}
				f := s.fork(s.ben.UUID())
				for _, words := range c.words(f, f.resumed()) {
					f.say(words)
				}
				time.Sleep(s.ana.settings.Greeting) // for which a stranger may be silent
				if f.stands() {
					t.Error("her link stands")
				}
				if after := s.conversation(s.ben.UUID()); after.talk != before.talk || after.over != before.over || after.lanes != 1 {
					t.Errorf("the channel is %+v, was %+v", after, before)
				}
				if f.greeted() > 0 || len(f.told(oncelink.IDBegin)) > 0 {
					t.Errorf("ana has told eve %x", f.heard)
				}
				s.unharmed()
				if refused := s.ana.Counts()["nodes refused"]; refused > 0 && s.calls.Load() > 0 {
					t.Errorf("ana has called eve")
				}
			})
		})
	}
}

// TestAbsurdLinks has eve, who is present, say of her own channel with ana what cannot be:
// it costs her the link, or the channel, and nobody else anything.
func TestAbsurdLinks(t *testing.T) {
	const mine = 7
	ack := func(position, edge uint64) func(f *fork, theirs uint64) {
		return func(f *fork, theirs uint64) {
			f.says(&oncelink.Ack{Other: theirs, Position: position, Edge: edge, Mac: unproved[:]})
		}
	}
	begin := func(position uint64) func(f *fork, theirs uint64) {
		return func(f *fork, theirs uint64) {
			f.says(&oncelink.Begin{Own: mine, Other: theirs, Position: position, Mac: unproved[:]})
		}
	}
	for _, c := range []struct {
		name   string
		says   func(f *fork, theirs uint64)
		stands bool
	}{
		{"what was never said is acknowledged", ack(1<<20, channel.FirstWindow), false},
		{"all there can be is acknowledged", ack(math.MaxUint64, math.MaxUint64), false},
		{"credit without end", ack(0, math.MaxUint64), true},
		{"credit that shrinks", ack(0, 1), true},
		{"an acknowledgement without a proof", func(f *fork, theirs uint64) {
			f.say(linkFrame(&oncelink.Ack{Other: theirs, Edge: channel.FirstWindow, Mac: unproved[:]}))
		}, false},
		{"an acknowledgement for another channel", func(f *fork, _ uint64) {
			f.says(&oncelink.Ack{Other: f.s.conversation(f.s.ben.UUID()).mine, Edge: math.MaxUint64, Mac: unproved[:]})
		}, false},
		{"it begins where nobody is", begin(1 << 20), false},
		{"it begins at the end of all numbers", begin(math.MaxUint64), false},
		{"it begins again where it has", begin(0), true},
		{"it begins without a proof", func(f *fork, theirs uint64) {
			f.say(linkFrame(&oncelink.Begin{Own: mine, Other: theirs, Mac: unproved[:]}))
		}, false},
		{"the channel of another begins", func(f *fork, _ uint64) {
			f.says(&oncelink.Begin{Own: f.s.conversation(f.s.ben.UUID()).theirs, Mac: unproved[:]})
		}, false},
		{"in the middle of a message", func(f *fork, theirs uint64) {
			ping := f.word(0, &zremsg.Ping{Sequence: 2})
			f.say(ping)
			begin(uint64(len(ping))/2)(f, theirs)
			f.say(ping)
		}, false},
		{"the use of a link without a proof", func(f *fork, _ uint64) {
			f.say(linkFrame(&oncelink.Use{Own: mine, Turn: 2, Mac: unproved[:]}))
		}, false},
		{"the use of a link for another", func(f *fork, _ uint64) {
			f.says(&oncelink.Use{Own: f.s.conversation(f.s.ben.UUID()).theirs, Turn: 2, Mac: unproved[:]})
		}, false},
		{"content that is not sealed", func(f *fork, _ uint64) { f.say(frame(&zremsg.Whisper{Sequence: 2}, []byte("plain"))) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, api.NodeSecurityAuto)
				f, theirs := s.meets(mine)
				s.memory.Refuse(outside, true)
				c.says(f, theirs)
				if f.stands() != c.stands {
					t.Errorf("her link stands: %v", !c.stands)
				}
				if c.stands { // and carries what ana says
					before := len(f.heard)
					s.ana.must(s.ana.Whisper(t.Context(), s.eve.Identity.UUID(), text("to eve")))
					if f.stands(); len(f.heard) == before {
						t.Error("ana says nothing to her")
					}
				} else {
					s.again(mine, theirs)
				}
				s.unharmed()
			})
		})
	}
}

// TestAbsurdResume has eve go on with her channel from what ana has never said: it ends.
func TestAbsurdResume(t *testing.T) {
	for _, expected := range []uint64{1 << 20, math.MaxUint64} {
		t.Run(fmt.Sprint(expected), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, api.NodeSecurityAuto)
				_, theirs := s.meets(7)
				s.memory.Refuse(outside, true)
				f := s.fork(s.eve.Identity.UUID())
				f.says(&oncelink.Resume{Own: 7, Other: theirs, Expected: expected, Mac: unproved[:]})
				s.ana.wants("exit eve broken")
				if f.stands() {
					t.Error("the link stands")
				}
				s.unharmed()
			})
		})
	}
}

// TestUnopenedTwice has eve say what does not open, and once more over the next link: then
// the channel ends.
func TestUnopenedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, api.NodeSecurityAuto)
		f, theirs := s.meets(7)
		s.memory.Refuse(outside, true)
		for range 2 {
			f.say(frame(&zremsg.Whisper{Sequence: 2}, []byte("plain")))
			if f.stands() {
				t.Fatal("the link stands")
			}
			if s.conversation(s.eve.Identity.UUID()); f != nil {
				break
			}
		}
		f = s.again(7, theirs)
		f.say(frame(&zremsg.Whisper{Sequence: 2}, []byte("plain")))
		s.ana.wants("exit eve broken")
		s.unharmed()
	})
}

// TestSomebodyElseAnswers has a link be lost, and eve answer in the name of the peer where a
// beacon of hers has said that it is: with a nonce, and as one who has no channels. Either
// way the channel goes on when the peer is reached.
func TestSomebodyElseAnswers(t *testing.T) {
	for _, shows := range []map[string][]byte{nil, {guard.PropertyNonce: guard.NewNonce()}} {
		t.Run(fmt.Sprint(len(shows)), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, api.NodeSecurityAuto)
				s.poses, s.shows = routingID(s.ben.UUID()), shows
				before := s.conversation(s.ben.UUID())
				lookout{s.ana.loop}.sighted([]sight.Sighting{{ID: s.ben.UUID(), Endpoint: parsed(s.home)}})
				s.memory.Partition(s.ana.host, s.ben.host, true)
				s.tap.between(s.ana, s.ben).Close()
				s.ana.must(s.ana.Whisper(t.Context(), s.ben.UUID(), text("for ben")))
				time.Sleep(time.Second)
				if s.calls.Load() == 0 {
					t.Fatal("ana does not call eve")
				}
				s.memory.Partition(s.ana.host, s.ben.host, false)
				s.ben.wants(`whisper ana "for ben"`)
				if after := s.conversation(s.ben.UUID()); after.talk != before.talk || after.mine != before.mine {
					t.Errorf("the channel is %+v, was %+v", after, before)
				}
				s.unharmed()
			})
		})
	}
}

// TestExpiredWhileCalled has eve fall silent, and ana call her for another link until she is
// given up: nothing of that is left, though eve accepts it later.
func TestExpiredWhileCalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, api.NodeSecurityAuto)
		before := s.ana.size()
		s.meets(7)
		s.memory.Partition(s.ana.host, outside, true)
		s.ana.wants("suspect eve", "exit eve expired")
		s.memory.Partition(s.ana.host, outside, false)
		time.Sleep(time.Minute)
		s.rest()
		if after := s.ana.size(); after != before || s.calls.Load() > 0 {
			t.Errorf("%s is left, %s there was; %d calls", after, before, s.calls.Load())
		}
		s.unharmed()
	})
}

// TestForgedWhileMeeting has eve make links as a node that is just meeting ana, and say that
// it knows no channel, or one that there is not: the two meet as if she did not.
func TestForgedWhileMeeting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, api.NodeSecurityAuto)
		who, err := identity.New()
		s.ana.must(err)
		words := [][]byte{
			resume(), linkFrame(&oncelink.Resume{Own: 1, Other: 2, Mac: unproved[:]}),
			linkFrame(&oncelink.Resume{Own: 1, Expected: math.MaxUint64, Edge: math.MaxUint64, Mac: unproved[:]}),
		}
		var lies sync.WaitGroup
		for i := range 40 {
			f := s.forkFrom(fmt.Sprint("10.1.0.", 1+i), who.UUID())
			lies.Go(func() {
				time.Sleep(time.Duration(i) * 500 * time.Microsecond) // while they meet
				f.say(words[i%len(words)])
			})
		}
		dave := s.node("dave", in("hall"), func(n *Node) { s.ana.must(n.SetIdentity(who)) })
		defer dave.Stop()
		s.ana.wants("enter dave", "join dave hall")
		lies.Wait()
		s.rest()
		dave.talk(s.ana)
		s.ana.idle(time.Minute)
	})
}

// TestInjectedControl puts words between those of ben on his own link that are no content:
// none is taken for his, and what he says himself still comes, once.
func TestInjectedControl(t *testing.T) {
	for _, m := range []zremsg.Message{
		&zremsg.Goodbye{Sequence: 9}, &zremsg.Leave{Sequence: 9, Group: "room", Status: 2}, &zremsg.Join{Sequence: 9, Group: "vault", Status: 2},
		&zremsg.Ping{Sequence: 9}, &zremsg.PingOK{Sequence: 9}, &zremsg.Confirm{Sequence: 9}, &zremsg.Hello{Sequence: 1, Name: "ben", Endpoint: "tcp://10.0.0.66:9"},
	} {
		t.Run(m.ID().String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, api.NodeSecurityAuto)
				his := s.tap.between(s.ben, s.ana)
				_, err := his.inject(frame(m))
				s.ana.must(err)
				s.rest()
				if s.tap.between(s.ben, s.ana) == his {
					t.Error("the link stands")
				}
				s.unharmed()
			})
		})
	}
}

// TestInjectedAboutTheLink puts words about the link between those of ben on his own.
func TestInjectedAboutTheLink(t *testing.T) {
	for _, c := range []struct {
		name string
		m    func(of conversation) oncelink.Message
	}{
		{"that nothing is expected", func(of conversation) oncelink.Message {
			return &oncelink.Resume{Own: of.theirs, Other: of.mine, Mac: unproved[:]}
		}},
		{"that all was received", func(of conversation) oncelink.Message {
			return &oncelink.Ack{Other: of.mine, Position: of.next, Edge: math.MaxUint64, Mac: unproved[:]}
		}},
		{"that it begins elsewhere", func(of conversation) oncelink.Message {
			return &oncelink.Begin{Own: of.theirs, Other: of.mine, Position: of.next, Mac: unproved[:]}
		}},
		{"that it is used", func(of conversation) oncelink.Message {
			return &oncelink.Use{Own: of.theirs, Turn: math.MaxUint64, Mac: unproved[:]}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, api.NodeSecurityAuto)
				s.ben.talk(s.ana)
				before := s.conversation(s.ben.UUID())
				his := s.tap.between(s.ben, s.ana)
				_, err := his.inject(linkFrame(c.m(before)))
				s.ana.must(err)
				s.rest()
				if after := s.conversation(s.ben.UUID()); after.talk != before.talk || after.over == before.over {
					t.Errorf("the channel is %+v, was %+v", after, before)
				}
				s.unharmed()
			})
		})
	}
}

// TestWordsBeforeEntering has eve say what is only said to who is present as soon as ana has
// greeted her, and before she shows that she has that: she is present then.
func TestWordsBeforeEntering(t *testing.T) {
	key := make([]byte, zremsg.MaxSealingKey)
	for _, m := range []zremsg.Message{
		&zremsg.Sealing{Sequence: 2, Key: key}, &zremsg.AskSealing{Sequence: 2, Digest: make([]byte, 32)},
		&zremsg.Holds{Sequence: 2, Digest: make([]byte, 32)}, &zremsg.Ask{Sequence: 2}, &zremsg.Roll{Sequence: 2}, &zremsg.AskServers{Sequence: 2},
		&zremsg.Ping{Sequence: 2}, &zremsg.PingOK{Sequence: 2}, &zremsg.Confirm{Sequence: 2}, &zremsg.Elect{Sequence: 2, Group: "room"},
	} {
		t.Run(m.ID().String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, api.NodeSecurityAuto)
				f := s.fork(s.eve.Identity.UUID())
				f.say(resume())
				f.say(f.hello(7))
				s.rest()
				f.say(f.word(0, m))
				s.ana.wants("enter eve")
				if !f.stands() {
					t.Error("her link ends")
				}
				s.unharmed()
			})
		})
	}
}
