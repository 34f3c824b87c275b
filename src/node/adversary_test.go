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
	"github.com/sjohnr/at-once/generated/go/zremsg"
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
		as   func(s *scene) (uuid.UUID, *zremsg.Hello)
		want error
	}
	eve := func(name string, want error, as func(s *scene) *zremsg.Hello) claim {
		return claim{name, func(s *scene) (uuid.UUID, *zremsg.Hello) { return s.eve.identity.UUID(), as(s) }, want}
	}
	ben := func(name string, want error, as func(s *scene) *zremsg.Hello) claim {
		return claim{name, func(s *scene) (uuid.UUID, *zremsg.Hello) { return s.ben.UUID(), as(s) }, want}
	}
	changed := func(name string, change func(*zremsg.Hello)) claim {
		return eve(name, errProof, func(s *scene) *zremsg.Hello {
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
		eve("no proof", errProof, func(s *scene) *zremsg.Hello { return without(s.signed(s.greeting()), headerProof) }),
		eve("a proof for another", errProof, func(s *scene) *zremsg.Hello {
			hello := s.greeting()
			s.eve.present(hello, s.ben.UUID(), new(nonces))
			return hello
		}),
		eve("more after the proof", errProof, func(s *scene) *zremsg.Hello {
			hello := s.signed(s.greeting())
			hello.Headers = append(hello.Headers, wire.Pair{Key: "X-ROLE", Value: "admin"})
			return hello
		}),
		eve("a card that is no base64", errors.New("illegal base64"), func(s *scene) *zremsg.Hello {
			hello := s.signed(s.greeting())
			*header(hello, headerCard) += "="
			return hello
		}),
		eve("a card of another time", identity.ErrForged, func(s *scene) *zremsg.Hello {
			hello := s.signed(s.greeting())
			*header(hello, headerCard) = reissued(s, *header(hello, headerCard), func(c *oncecard.Card) { c.Expiry++ })
			return hello
		}),
		ben("no card", identity.ErrNoCard, (*scene).greeting),
		ben("her card", identity.ErrStranger, func(s *scene) *zremsg.Hello { return s.signed(s.greeting()) }),
		ben("his card, her proof", errProof, func(s *scene) *zremsg.Hello {
			theirs, hello := s.overheard(s.ana), s.greeting()
			*header(hello, zre.HeaderIncarnation) = *header(theirs, zre.HeaderIncarnation)
			hello.Headers = append(hello.Headers, wire.Pair{Key: headerCard, Value: *header(theirs, headerCard)},
				wire.Pair{Key: headerChallenge, Value: *header(theirs, headerChallenge)})
			proof := s.eve.identity.Sign(helloPurpose, transcript(hello, s.ana.UUID(), noNonce))
			hello.Headers = append(hello.Headers, wire.Pair{Key: headerProof, Value: identity.Base64(proof)})
			return hello
		}),
		ben("his greeting to another", errProof, func(s *scene) *zremsg.Hello { return s.overheard(s.cleo) }),
		ben("his card, a life later", identity.ErrForged, func(s *scene) *zremsg.Hello {
			hello := s.overheard(s.ana)
			*header(hello, headerCard) = reissued(s, *header(hello, headerCard), func(c *oncecard.Card) {
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
			*header(h, headerChallenge) = identity.Base64(make([]byte, challengeSize))
		}),
		changed("a header more", func(h *zremsg.Hello) {
			h.Headers = slices.Insert(h.Headers, 0, wire.Pair{Key: "X-ROLE", Value: "admin"})
		}),
		changed("no proof", func(h *zremsg.Hello) { without(h, headerProof) }),
	}
	for _, size := range []int{0, challengeSize - 1, challengeSize + 1} {
		claims = append(claims, eve(fmt.Sprint("a challenge of ", size), identity.ErrMalformed, func(s *scene) *zremsg.Hello {
			s.eve.loop.challenges[s.ana.UUID()] = make([]byte, size)
			return s.signed(s.greeting())
		}))
	}
	for _, c := range claims {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, api.NodeSecurityAuto)
				id, hello := c.as(s)
				answer, err := s.confront(id, nil, frame(hello))
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
		{"a line break", headerCard, inserted("\n")},
		{"a line break", headerToken, inserted("\r")},
		{"a line break", headerChallenge, inserted("\r\n")},
		{"a line break", headerProof, inserted("\n")},
		{"spare bits", headerToken, spare},
		{"spare bits", headerChallenge, spare},
		{"spare bits", headerProof, spare},
		{"a zero", headerGreeting, before},
	} {
		t.Run(c.header+" with "+c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, api.NodeSecurityAuto)
				hello := s.greeting()
				hello.Headers = append(hello.Headers, wire.Pair{Key: headerToken, Value: identity.Base64(make([]byte, 16))})
				hello = without(s.signed(hello), headerProof)
				if c.header != headerProof {
					value := header(hello, c.header)
					*value = c.change(*value)
				}
				proof := identity.Base64(s.eve.identity.Sign(helloPurpose, transcript(hello, s.ana.UUID(), noNonce)))
				if c.header == headerProof {
					proof = c.change(proof)
				}
				hello.Headers = append(hello.Headers, wire.Pair{Key: headerProof, Value: proof})
				_, _ = s.confront(s.eve.identity.UUID(), nil, frame(hello)) // that ana ends it is as good as that eve does
				s.refused("eve", fmt.Errorf("%s: %w", c.header, identity.ErrMalformed))
			})
		})
	}
}
