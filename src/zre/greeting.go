package zre

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/wire"
)

// Headers of HELLO that the protocol itself uses. Other implementations pass
// them on as they are.
const (
	ReservedHeader    = "X-ONCE-"                          // prefix of all of them
	HeaderPublicKey   = "X-PUBLICKEY"                      // of CURVE in Z85, as Zyre has it
	HeaderIncarnation = ReservedHeader + "INCARNATION"     // decimal, higher at each start
	headerChannel     = ReservedHeader + "CHANNEL"         // decimal, our number of the channel, or of our connection
	headerAnswer      = ReservedHeader + "ANSWER-EXPECTED" // present if the sender lacks our HELLO
)

// greetAgain is the shortest time between two HELLOs over one connection.
// It keeps two nodes that disagree from greeting each other in a storm.
const greetAgain = time.Second

// greetings are what we and a peer have of each other's HELLOs, and what is owed.
type greetings struct {
	adopted   bool      // our connection has carried a HELLO before it was known to be this peer's
	asks      bool      // the next HELLO wants one in return
	waits     bool      // the peer has greeted us, and has yet to take our greeting
	lacks     time.Time // since when we lack a HELLO of the peer, zero if we do not
	at        time.Time // of the latest HELLO to the peer
	wording   int       // and what it said
	surprised time.Time // by the latest that it did not expect
	due       time.Time // when a HELLO that was put off is due
}

// soon tells whether the peer was greeted just now.
func (g *greetings) soon(now time.Time) bool { return now.Sub(g.at) < greetAgain }

// send returns a HELLO that goes out now, over a connection of the node.
func (g *greetings) send(s *stage, groups *own, over *connection) *zremsg.Hello {
	headers := append(slices.Clone(s.config.Headers),
		wire.Pair{Key: HeaderIncarnation, Value: strconv.FormatUint(s.config.Incarnation, 10)},
		wire.Pair{Key: headerChannel, Value: strconv.FormatUint(over.number, 10)})
	if g.asks {
		headers = append(headers, wire.Pair{Key: headerAnswer, Value: "1"})
	}
	g.asks, g.at, g.wording, g.due, over.greets = false, s.now, s.wording, time.Time{}, true
	return &zremsg.Hello{
		Endpoint: over.callback.String(),
		Groups:   groups.OwnGroups(),
		Status:   groups.status,
		Name:     s.config.Name,
		Headers:  headers,
	}
}

// ownHeaders are those of a HELLO that the protocol itself uses.
type ownHeaders struct {
	incarnation uint64
	channel     uint64
	answer      bool
}

// ChannelOf returns the number of the channel, or of the connection, that a HELLO of an
// @Once node brings; 0 if none.
func ChannelOf(hello *zremsg.Hello) uint64 {
	own, _ := splitHeaders(hello.Headers)
	return own.channel
}

func splitHeaders(pairs []wire.Pair) (own ownHeaders, headers map[string]string) {
	headers = make(map[string]string, len(pairs))
	for _, pair := range pairs {
		switch {
		case pair.Key == HeaderIncarnation:
			own.incarnation, _ = strconv.ParseUint(pair.Value, 10, 64) // 0, as a plain peer's, if it is no number
		case pair.Key == headerChannel:
			own.channel, _ = strconv.ParseUint(pair.Value, 10, 64) // 0 names none
		case pair.Key == headerAnswer:
			own.answer = true
		case !strings.HasPrefix(pair.Key, ReservedHeader) && pair.Key != HeaderPublicKey:
			headers[pair.Key] = pair.Value
		}
	}
	return own, headers
}
