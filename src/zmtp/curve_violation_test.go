package zmtp

import (
	"bytes"
	"crypto/ecdh"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// The turns of a handshake that are commands, as overhear numbers them.
const (
	turnHello = 2 + iota
	turnWelcome
	turnInitiate
	turnReady
	turnEnd
)

// twisted lets two sides talk, but what is said at one turn is changed on its way.
// It returns who hears that, and what it answers.
func twisted(client, server *Handshake, at int, change func(b []byte) []byte) (hearer *Handshake, answer []byte) {
	converse(client, server, func(turn int, b []byte) []byte {
		switch {
		case turn == at:
			return change(bytes.Clone(b))
		case turn > at && turn%2 != at%2:
			answer = append(answer, b...)
		}
		return b
	})
	return []*Handshake{server, client}[at%2], answer
}

// instead is twisted for new sides: other octets are said at a turn.
func instead(at int, octets []byte) (hearer *Handshake, answer []byte) {
	return twisted(newClient(), newServer(), at, func([]byte) []byte { return bytes.Clone(octets) })
}

// A conversation that stops anywhere in a command leaves its hearer waiting, and silent.
func TestCurvePrefixes(t *testing.T) {
	step := 1
	if testing.Short() {
		step = 7
	}
	turns := overhear(t)
	for cut := turnHello; cut < turnEnd; cut++ {
		for n := 0; n < len(turns[cut]); n += step {
			hearer, answer := twisted(newClient(), newServer(), cut, func(b []byte) []byte { return b[:n] })
			if r, err := hearer.Result(); hearer.Next() == 0 || r != nil || err != nil || answer != nil {
				t.Fatalf("turn %d cut after %d octets: %v, %v, answered with %x", cut, n, r, err, answer)
			}
		}
	}
}

// A command of another length is a violation, wherever it ends or goes on.
func TestCurveLengths(t *testing.T) {
	turns := overhear(t)
	for turn := turnHello; turn < turnEnd; turn++ {
		_, head, _ := splitHeader(turns[turn])
		for n := range len(turns[turn]) - head + 1 {
			hearer, answer := twisted(newClient(), newServer(), turn, func(b []byte) []byte {
				name, data, err := SplitCommand(b[head:])
				if err != nil {
					t.Fatal(err)
				}
				if n < len(data) {
					return AppendCommand(nil, string(name), data[:n])
				}
				return AppendCommand(nil, string(name), append(data, make([]byte, n-len(data)+1)...))
			})
			if r, err := hearer.Result(); r != nil || !typed(err) || answer != nil {
				t.Fatalf("turn %d, length %d: %v, %v, answered with %x", turn, n, r, err, answer)
			}
		}
	}
}

// Whatever bit of a command is flipped on its way, the handshake does not succeed
// for who hears it, who fails for a reason that has a name, or waits, and is silent.
// But for one: X25519 ignores the last bit of a key (RFC 7748, section 5), so that a
// HELLO without it opens, and the vouch, which names the key, tells.
func TestCurveBitFlips(t *testing.T) {
	const ignored = 8*(shortHeader+1+len(hello)+helloBox) - 1
	turns := overhear(t) // of which greetings have octets without a meaning
	for turn := turnHello; turn < turnEnd; turn++ {
		for bit := range 8 * len(turns[turn]) {
			if testing.Short() && bit%8 != bit/8%8 {
				continue
			}
			hearer, answer := twisted(newClient(), newServer(), turn, func(b []byte) []byte {
				b[bit/8] ^= 1 << (bit % 8)
				return b
			})
			if r, err := hearer.Result(); r != nil || hearer.Next() == 0 && !typed(err) || answer != nil && (turn != turnHello || bit != ignored) {
				t.Fatalf("turn %d, bit %d: %v, %v, answered with %x", turn, bit, r, err, answer)
			}
		}
	}
}

// What was said on another connection between the same keys, or before on this one,
// is of no use at any turn. But for a HELLO: who replays one gets a WELCOME, which
// it cannot open.
func TestCurveReplays(t *testing.T) {
	old := overhear(t)
	for turn := turnHello; turn < turnEnd; turn++ {
		for replayed := turnHello; replayed < turnEnd; replayed++ {
			what := fmt.Sprintf("turn %d of another connection at turn %d", replayed, turn)
			hearer, answer := instead(turn, old[replayed])
			want, silent := ErrProtocol, true
			switch {
			case turn == turnHello && replayed == turnHello:
				if hearer.Next() == 0 || len(answer) != len(old[turnWelcome]) {
					t.Errorf("%s: answered with %x", what, answer)
				}
				hearer.Outgoing()
				feed(hearer, old[turnInitiate])
				want, silent = ErrCurve, false
			case turn == replayed:
				want = ErrCurve
			}
			if r, err := hearer.Result(); r != nil || !errors.Is(err, want) || silent && answer != nil || len(hearer.Outgoing()) > 0 {
				t.Errorf("%s: %v, %v, want %v, answered with %x", what, r, err, want, answer)
			}
			if replayed >= turn {
				continue
			}
			var said [][]byte // on this connection
			client, server := newClient(), newServer()
			answer = nil
			converse(client, server, func(now int, b []byte) []byte {
				said = append(said, bytes.Clone(b))
				if now == turn {
					return bytes.Clone(said[replayed])
				} else if now > turn {
					answer = b
				}
				return b
			})
			if r, err := []*Handshake{server, client}[turn%2].Result(); r != nil || !errors.Is(err, ErrProtocol) || answer != nil {
				t.Errorf("turn %d once more at turn %d: %v, %v, answered with %x", replayed, turn, r, err, answer)
			}
		}
	}
}

// A command that comes twice is heard once: the second time it is no part of the
// handshake, nor of what comes after that.
func TestCurveTwice(t *testing.T) {
	for turn := turnHello; turn < turnEnd; turn++ {
		var again []byte
		hearer, _ := twisted(newClient(), newServer(), turn, func(b []byte) []byte {
			again = bytes.Clone(b)
			if turn < turnInitiate {
				return slice(b, b)
			}
			return b
		})
		r, err := hearer.Result()
		if err == nil {
			p := newParser()
			p.Cipher = r.Cipher
			err = p.Parse(again, &Messages{})
		}
		if (r != nil) != (turn >= turnInitiate) || !errors.Is(err, ErrProtocol) {
			t.Errorf("turn %d: %v, %v", turn, r, err)
		}
	}
}

// What is no command of the handshake, or none of CURVE's, ends it without an answer.
func TestCurveForeignCommands(t *testing.T) {
	command := func(name string, data ...byte) []byte { return AppendCommand(nil, name, data) }
	for _, test := range []struct {
		name string
		turn int
		say  []byte // instead
		want error
	}{
		{"READY of NULL", turnReady, ready("Socket-Type", Router, "Identity", "server"), ErrCurve},
		{"READY of NULL to a server", turnHello, ready("Socket-Type", Dealer), ErrProtocol},
		{"ERROR to a server", turnHello, command(Error, 0), ErrProtocol},
		{"ERROR in place of INITIATE", turnInitiate, command(Error, 0), ErrProtocol},
		{"a PING", turnInitiate, command(Ping, 0, 0), ErrProtocol},
		{"a MESSAGE", turnInitiate, []byte("\x00\x21" + messageName + strings.Repeat("x", 25)), ErrProtocol},
		{"a message", turnHello, []byte("\x00\x01x"), ErrProtocol},
		{"2^63 octets", turnInitiate, []byte("\x06\x80\x00\x00\x00\x00\x00\x00\x00"), ErrTooLarge},
	} {
		hearer, answer := instead(test.turn, test.say)
		if r, err := hearer.Result(); r != nil || !errors.Is(err, test.want) || answer != nil {
			t.Errorf("%s: %v, %v, want %v, answered with %x", test.name, r, err, test.want, answer)
		}
	}
}

// A client that does not hold the key that it shows, or brings what it got elsewhere,
// is found out, and hears nothing.
func TestCurveForgedInitiate(t *testing.T) {
	thief := fixedKey(0x66)
	box := func(c *curveSide, key *ecdh.PrivateKey, plain ...[]byte) []byte {
		secret, err := precompute(key, c.far)
		if err != nil {
			t.Fatal(err)
		}
		return appendBox(nil, "VOUCH---", random(), secret, slice(plain...))
	}
	shown, metadata := clientKey.PublicKey().Bytes(), appendProperty(nil, "Socket-Type", []byte(Dealer))
	honest := func(c *curveSide, short []byte) []byte {
		return slice(shown, box(c, clientKey, short, c.remote[:]), metadata)
	}
	_, other, err := SplitCommand(overhear(t)[turnInitiate][longHeader:])
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		plain func(c *curveSide, short []byte) []byte
		want  error
	}{
		{"vouched for by its own key", func(c *curveSide, short []byte) []byte {
			return slice(shown, box(c, thief, short, c.remote[:]), metadata)
		}, ErrCurve},
		{"vouch for another connection", func(c *curveSide, _ []byte) []byte {
			return slice(shown, box(c, clientKey, thief.PublicKey().Bytes(), c.remote[:]), metadata)
		}, ErrCurve},
		{"vouch to another server", func(c *curveSide, short []byte) []byte {
			return slice(shown, box(c, clientKey, short, thief.PublicKey().Bytes()), metadata)
		}, ErrCurve},
		{"a key that leaves no secret", func(c *curveSide, short []byte) []byte {
			return slice(make([]byte, keySize), box(c, thief, short, c.remote[:]), metadata)
		}, ErrCurve},
		{"the cookie of another connection", func(c *curveSide, short []byte) []byte {
			plain := honest(c, short)
			copy(c.cookie, other[:cookieSize])
			return plain
		}, ErrCurve},
		{"a cookie of its own", func(c *curveSide, short []byte) []byte {
			plain := honest(c, short)
			c.cookie = appendBox(nil, "COOKIE--", random(), new([32]byte), slice(short, fixedKey(1).Bytes()))
			return plain
		}, ErrCurve},
		{"a nonce that came before", func(c *curveSide, short []byte) []byte {
			c.cipher.out.last = 0
			return honest(c, short)
		}, ErrCurve},
		{"bad metadata", func(c *curveSide, short []byte) []byte {
			return slice(shown, box(c, clientKey, short, c.remote[:]), []byte("\x00"))
		}, ErrProtocol},
		{"the honest one, for comparison", honest, nil},
	} {
		client := newClient()
		server, answer := twisted(client, newServer(), turnInitiate, func([]byte) []byte {
			c := client.curve
			plain := test.plain(c, c.short.PublicKey().Bytes())
			return AppendCommand(nil, initiate, appendBox(bytes.Clone(c.cookie), "CurveZMQINITIATE", c.next(), c.box, plain))
		})
		if _, err := server.Result(); !errors.Is(err, test.want) || (err == nil) != (answer != nil) {
			t.Errorf("%s: %v, want %v, answered with %q", test.name, err, test.want, answer)
		}
	}
}
