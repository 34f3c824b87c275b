package zre

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sjohnr/at-once/generated/go/peermachine"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/wire"
)

// Headers of HELLO that the protocol itself uses. Other implementations pass
// them on as they are.
const (
	ReservedHeader    = "X-ONCE-"                          // prefix of all of them
	HeaderPublicKey   = "X-PUBLICKEY"                      // of CURVE in Z85, as Zyre has it
	HeaderIncarnation = ReservedHeader + "INCARNATION"     // decimal, higher at each start
	headerConnection  = ReservedHeader + "CONNECTION"      // decimal, names our connection
	headerAnswer      = ReservedHeader + "ANSWER-EXPECTED" // present if the sender lacks our HELLO
)

// greeted takes in a peer's HELLO. The incarnation tells a restarted peer from
// one that greets twice, and both from a late word of a life that has ended.
// A peer without one has started anew if it greets from another endpoint.
func (c *Core) greeted(in Heard, hello *zremsg.Hello) {
	id, link := in.Peer, in.Link
	endpoint, err := sight.Parse(hello.Endpoint)
	if err != nil || !endpoint.Dialable() {
		c.count("greetings without an endpoint")
		c.emit(Reject{link})
		return
	}
	if !c.room(c.peers[id], weigh(hello)) {
		c.count("greetings over the limit of all")
		c.emit(Reject{link})
		return
	}
	own, headers := splitHeaders(hello.Headers)
	p := c.peers[id]
	if p == nil {
		p = c.meet(id, endpoint)
	} else if known := p.incarnation; own.incarnation < known || own.incarnation == known && in.Badge.repeats(p.badge) {
		c.count("stale greetings")
		c.emit(Reject{link})
		return
	} else if p.succeeds(link) {
		return
	} else if p.heir = 0; p.state.IsPresent() && (own.incarnation > known || known == 0 && endpoint != p.endpoint) {
		p.fire(peermachine.EventReplaced)
		p = c.meet(id, endpoint)
	}
	if p == nil {
		c.emit(Reject{link})
		return
	}
	if p.badge = in.Badge; p.badge == nil {
		p.badge = new(Badge)
	}
	p.greeted(link, endpoint, hello, own, headers)
}

// greeted brings what we know of the peer into step with its HELLO.
func (p *peer) greeted(link LinkID, endpoint sight.Endpoint, hello *zremsg.Hello, own ownHeaders, headers map[string]string) {
	present, again := p.state.IsPresent(), p.link != link
	moved := present && again && own.incarnation != 0 && p.greets && endpoint != p.endpoint
	lost := present && again && own.incarnation != 0 && own.answer && p.greets && p.at != endpoint &&
		p.core.now.Sub(p.greetedAt) >= greetAgain // else our greeting may be on its way
	p.link, p.theirs, p.lacks = link, own.connection, time.Time{}
	p.weighs(weigh(hello))
	p.name, p.endpoint, p.headers, p.incarnation = hello.Name, endpoint, headers, own.incarnation
	groups := slices.Clone(hello.Groups)
	slices.Sort(groups)
	groups = slices.Compact(groups)
	p.left, p.joined = difference(p.groups, groups), difference(groups, p.groups)
	p.groups, p.status = groups, hello.Status
	if p.learn(endpoint); p.at == nowhere {
		p.Dial() // it has become urgent
	}
	p.strays(true)
	p.word()
	p.settle()
	p.fire(peermachine.EventHello)
	if moved || lost { // our connection goes to an address that the peer may no longer have, or never had
		p.renew()
	}
	p.speak()
	if present && again && p.plain() && p.at != nowhere {
		p.forgot()
	}

	// A plain peer that greets over a new connection has forgotten us, unless
	// that is how it takes a HELLO that it did not expect.
	forgot := own.incarnation == 0 && again && p.core.now.Sub(p.surprised) > p.core.config.Greeting
	if present && p.greets && (own.answer || forgot) {
		p.asks = false
		p.SendHello()
	}
}

// SendHello greets the peer, or puts that off if the peer has just been greeted
// over the same connection. A veiled peer is greeted when it is heard.
func (p *peer) SendHello() {
	if p.adopted || p.veiled() {
		p.adopted = false
		return
	}
	if again := p.greetedAt.Add(greetAgain); p.greets && p.core.now.Before(again) {
		p.greetAt = again
		p.schedule()
		return
	}
	p.greet()
}

func (p *peer) greet() {
	c := p.core
	headers := append(slices.Clone(c.config.Headers),
		wire.Pair{Key: HeaderIncarnation, Value: strconv.FormatUint(c.config.Incarnation, 10)},
		wire.Pair{Key: headerConnection, Value: strconv.FormatUint(p.number, 10)})
	if p.state.IsPresent() {
		p.surprised = c.now
	}
	if p.asks {
		headers = append(headers, wire.Pair{Key: headerAnswer, Value: "1"})
	}
	again := p.greets
	p.greets, p.asks, p.greetedAt, p.greetAt = true, false, c.now, time.Time{}
	c.emit(Send{p.out, &zremsg.Hello{
		Endpoint: p.callback.String(),
		Groups:   c.OwnGroups(),
		Status:   c.status,
		Name:     c.config.Name,
		Headers:  headers,
	}})
	if again && p.plain() && p.state.IsPresent() { // which may not have listened before it had this
		p.forgot()
	}
	if p.state.IsPresent() { // what we said of elections while the connection was lost is lost too
		p.canvass()
	}
}

// ownHeaders are those of a HELLO that the protocol itself uses.
type ownHeaders struct {
	incarnation uint64
	connection  uint64
	answer      bool
}

func splitHeaders(pairs []wire.Pair) (own ownHeaders, headers map[string]string) {
	headers = make(map[string]string, len(pairs))
	for _, pair := range pairs {
		switch {
		case pair.Key == HeaderIncarnation:
			own.incarnation, _ = strconv.ParseUint(pair.Value, 10, 64) // 0, as a plain peer's, if it is no number
		case pair.Key == headerConnection:
			own.connection, _ = strconv.ParseUint(pair.Value, 10, 64) // 0 names none
		case pair.Key == headerAnswer:
			own.answer = true
		case !strings.HasPrefix(pair.Key, ReservedHeader) && pair.Key != HeaderPublicKey:
			headers[pair.Key] = pair.Value
		}
	}
	return own, headers
}
