package node

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncecard"
	"github.com/sjohnr/at-once/generated/go/oncelink"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/wire"
	"github.com/sjohnr/at-once/src/zre"
)

// TestClaims greets a node as somebody else, or as nobody can. It gets no answer, is
// not called back, and nobody hears of it but the application.
func TestClaims(t *testing.T) {
	type claim struct {
		name string
		id   func(s *scene) uuid.UUID
		as   func(s *scene) *zremsg.Hello
		want error
	}
	eve := func(name string, want error, as func(s *scene) *zremsg.Hello) claim {
		return claim{name, func(s *scene) uuid.UUID { return s.eve.Identity.UUID() }, as, want}
	}
	ben := func(name string, want error, as func(s *scene) *zremsg.Hello) claim {
		return claim{name, func(s *scene) uuid.UUID { return s.ben.UUID() }, as, want}
	}
	changed := func(name string, change func(*zremsg.Hello)) claim {
		return eve(name, guard.ErrProof, func(s *scene) *zremsg.Hello {
			hello := s.greeting()
			hello.Groups = []string{"room"}
			hello = s.signed(hello)
			change(hello)
			return hello
		})
	}
	claims := []claim{
		eve("as herself", nil, func(s *scene) *zremsg.Hello { return s.signed(s.greeting()) }),
		eve("no card", identity.ErrNoCard, (*scene).greeting),
		eve("the card of another", identity.ErrStranger, func(s *scene) *zremsg.Hello { return s.overheard(s.ana) }),
		eve("an expired card", identity.ErrExpired, func(s *scene) *zremsg.Hello {
			s.issue(1, time.Now().Add(-identity.Lifetime-3*time.Minute))
			return s.signed(s.greeting())
		}),
		eve("a card of the future", identity.ErrExpired, func(s *scene) *zremsg.Hello {
			s.issue(1, time.Now().Add(3*time.Minute))
			return s.signed(s.greeting())
		}),
		eve("an incarnation that is not the card's", identity.ErrStranger, func(s *scene) *zremsg.Hello {
			hello := s.greeting()
			s.issue(2, time.Now())
			return s.signed(hello)
		}),
		eve("no incarnation", identity.ErrStranger, func(s *scene) *zremsg.Hello {
			return s.signed(without(s.greeting(), zre.HeaderIncarnation))
		}),
		eve("no proof", guard.ErrProof, func(s *scene) *zremsg.Hello { return without(s.signed(s.greeting()), guard.HeaderProof) }),
		eve("a proof for another", guard.ErrProof, func(s *scene) *zremsg.Hello {
			hello := s.greeting()
			s.eve.Present(hello, s.ben.UUID(), &s.on, challenge, nil, false)
			return hello
		}),
		eve("more after the proof", guard.ErrProof, func(s *scene) *zremsg.Hello {
			hello := s.signed(s.greeting())
			hello.Headers = append(hello.Headers, wire.Pair{Key: "X-ROLE", Value: "admin"})
			return hello
		}),
		eve("a card that is no base64", errors.New("illegal base64"), func(s *scene) *zremsg.Hello {
			hello := s.signed(s.greeting())
			*header(hello, guard.HeaderCard) += "="
			return hello
		}),
		eve("a card of another time", identity.ErrForged, func(s *scene) *zremsg.Hello {
			hello := s.signed(s.greeting())
			*header(hello, guard.HeaderCard) = reissued(s, *header(hello, guard.HeaderCard), func(c *oncecard.Card) { c.Expiry++ })
			return hello
		}),
		ben("no card", identity.ErrNoCard, (*scene).greeting),
		ben("her card", identity.ErrStranger, func(s *scene) *zremsg.Hello { return s.signed(s.greeting()) }),
		ben("his card, her proof", guard.ErrProof, func(s *scene) *zremsg.Hello {
			theirs, hello := s.overheard(s.ana), s.greeting()
			*header(hello, zre.HeaderIncarnation) = *header(theirs, zre.HeaderIncarnation)
			hello.Headers = append(hello.Headers, wire.Pair{Key: guard.HeaderCard, Value: *header(theirs, guard.HeaderCard)},
				wire.Pair{Key: guard.HeaderChallenge, Value: *header(theirs, guard.HeaderChallenge)})
			if s.on.Fresh() {
				hello.Headers = append(hello.Headers, wire.Pair{Key: guard.HeaderNonce, Value: identity.Base64(s.on.Own[:])})
			}
			return s.prove(hello)
		}),
		ben("his greeting to another", guard.ErrProof, func(s *scene) *zremsg.Hello { return s.overheard(s.cleo) }),
		ben("his card, a life later", identity.ErrForged, func(s *scene) *zremsg.Hello {
			hello := s.overheard(s.ana)
			*header(hello, guard.HeaderCard) = reissued(s, *header(hello, guard.HeaderCard), func(c *oncecard.Card) {
				c.Incarnation++
				*header(hello, zre.HeaderIncarnation) = strconv.FormatUint(c.Incarnation, 10)
			})
			return hello
		}),
		ben("his greeting, a life later", identity.ErrStranger, func(s *scene) *zremsg.Hello {
			hello := s.overheard(s.ana)
			*header(hello, zre.HeaderIncarnation) += "0"
			return hello
		}),
		changed("another endpoint", func(h *zremsg.Hello) { h.Endpoint = "tcp://10.0.0.66:9" }),
		changed("another name", func(h *zremsg.Hello) { h.Name = "bob" }),
		changed("a group more", func(h *zremsg.Hello) { h.Groups = append(h.Groups, "vault") }),
		changed("a group less", func(h *zremsg.Hello) { h.Groups = nil }),
		changed("another status", func(h *zremsg.Hello) { h.Status++ }),
		changed("another sequence", func(h *zremsg.Hello) { h.Sequence++ }),
		changed("another challenge", func(h *zremsg.Hello) {
			*header(h, guard.HeaderChallenge) = identity.Base64(make([]byte, guard.ChallengeSize))
		}),
		changed("a header more", func(h *zremsg.Hello) {
			h.Headers = slices.Insert(h.Headers, 0, wire.Pair{Key: "X-ROLE", Value: "admin"})
		}),
		changed("no proof", func(h *zremsg.Hello) { without(h, guard.HeaderProof) }),
	}
	for _, size := range []int{0, guard.ChallengeSize - 1, guard.ChallengeSize + 1} {
		claims = append(claims, eve(fmt.Sprint("a challenge of ", size), identity.ErrMalformed, func(s *scene) *zremsg.Hello {
			hello := s.greeting()
			s.eve.Present(hello, s.ana.UUID(), &s.on, make([]byte, size), nil, false)
			return hello
		}))
	}
	for _, c := range claims {
		t.Run(c.name+" over a channel", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, api.NodeSecurityAuto)
				f := s.fork(c.id(s))
				s.on = f.nonces
				hello := c.as(s)
				f.number = zre.ChannelOf(hello)
				f.say(resume())
				f.say(frame(hello))
				if c.want == nil || errors.Is(c.want, identity.ErrExpired) { // whose clock is wrong shows by the nonce
					f.enters(c.want != nil)
					return
				}
				s.rest()
				if f.greeted() != 0 || len(f.told(oncelink.IDAck)) > 0 || s.calls.Load() > 0 {
					t.Errorf("ana has said %x, and called %d times", f.heard, s.calls.Load())
				}
				if f.stands() {
					t.Error("the link stands")
				}
				s.refused(hello.Name, c.want)
			})
		})
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, api.NodeSecurityAuto)
				hello := c.as(s)
				answer, err := s.confront(c.id(s), nil, frame(hello))
				if c.want == nil {
					s.ana.wants("enter eve")
					return
				}
				if errors.Is(err, link.ErrClosed) || len(answer) > 0 || s.calls.Load() > 0 {
					t.Errorf("ended with %v, answered with %x, called %d times", err, answer, s.calls.Load())
				}
				s.refused(hello.Name, c.want)
			})
		})
	}
}

// TestOneEncoding shows each header of HELLO in another form that stands for the same,
// and signs for that form: what is shown is written in one way only.
func TestOneEncoding(t *testing.T) {
	spare := func(text string) string { // sets a bit of the last character that no octet has
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		last := len(text) - 1
		return text[:last] + alphabet[strings.IndexByte(alphabet, text[last])|1:][:1]
	}
	inserted := func(what string) func(string) string {
		return func(text string) string { return text[:4] + what + text[4:] }
	}
	before := func(text string) string { return "0" + text }
	for _, c := range []struct {
		name, header string
		change       func(string) string
	}{
		{"a line break", guard.HeaderCard, inserted("\n")},
		{"a line break", guard.HeaderToken, inserted("\r")},
		{"a line break", guard.HeaderChallenge, inserted("\r\n")},
		{"a line break", guard.HeaderProof, inserted("\n")},
		{"spare bits", guard.HeaderToken, spare},
		{"spare bits", guard.HeaderChallenge, spare},
		{"spare bits", guard.HeaderProof, spare},
		{"a zero", guard.HeaderGreeting, before},
	} {
		for _, both := range []bool{false, true} {
			t.Run(fmt.Sprint(c.header, " with ", c.name, over(both)), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newScene(t, api.NodeSecurityAuto)
					var f *fork
					if both {
						f = s.fork(s.eve.Identity.UUID())
						s.on = f.nonces
					}
					hello := s.greeting()
					hello.Headers = append(hello.Headers, wire.Pair{Key: guard.HeaderToken, Value: identity.Base64(make([]byte, 16))})
					hello = without(s.signed(hello), guard.HeaderProof)
					if c.header != guard.HeaderProof {
						value := header(hello, c.header)
						*value = c.change(*value)
					}
					hello = s.prove(hello)
					if c.header == guard.HeaderProof {
						value := header(hello, c.header)
						*value = c.change(*value)
					}
					if both {
						f.say(resume())
						f.say(frame(hello))
					} else {
						_, _ = s.confront(s.eve.Identity.UUID(), nil, frame(hello)) // that ana ends it is as good as that eve does
					}
					s.refused("eve", fmt.Errorf("%s: %w", c.header, identity.ErrMalformed))
				})
			})
		}
	}
}

// over says which way a test goes.
func over(both bool) string {
	if both {
		return " over a channel"
	}
	return ""
}
