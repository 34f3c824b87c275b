package identity

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncecard"
	"github.com/sjohnr/at-once/src/z85"
)

// book is what the directory of a network has, while that is read or changed.
type book struct {
	*Network
	latest  *Roll                // that was published
	next    Roll                 // what the one after it builds on, and the latest token of each who ever was a member
	seeds   map[uuid.UUID][]byte // of members whose invites may not have been taken
	servers addresses            // that invites bring
}

// read returns what the directory has.
func (n *Network) read() (*book, error) {
	b, err := read(n.dir, fileMembers, ofSecret, n.parse)
	if b == nil && err == nil {
		b, err = n.parse("")
	}
	return b, err
}

// parse returns the book that a text is: in each line a roll, a token, the address of a server,
// or a seed.
func (n *Network) parse(text string) (*book, error) {
	b := &book{Network: n, next: Roll{Tokens: map[uuid.UUID]*Token{}}, seeds: map[uuid.UUID][]byte{}}
	b.follow(noRoll(publicOf(b.key)))
	for line := range strings.Lines(text) {
		switch line = strings.TrimSuffix(line, "\n"); {
		case strings.HasPrefix(line, wordRoll):
			r, err := RollIn(line)
			if err == nil && !r.Network.Equal(publicOf(b.key)) {
				err = ErrNetwork
			}
			if err != nil {
				return nil, err
			}
			b.follow(r)
		case strings.HasPrefix(line, wordToken):
			t, err := tokenIn(line)
			if err != nil {
				return nil, err
			}
			b.add(t)
		case isServer(line):
			if err := b.servers.add(line); err != nil {
				return nil, err
			}
		default:
			seed, err := z85.Key(line)
			if err != nil {
				return nil, err
			}
			b.seeds[memberOf(seed[:])] = seed[:]
		}
	}
	return b, nil
}

// follow has the next roll build on another.
func (b *book) follow(r *Roll) {
	b.latest = r
	b.next.Number, b.next.Moves, b.next.Revoked = r.Number, r.Moves, maps.Clone(r.Revoked)
}

// text returns the text that parse reads. It is a secret.
func (b *book) text() string {
	var lines []string
	if b.latest.Number > 0 {
		lines = append(lines, b.latest.Text()+"\n")
	}
	for _, t := range b.next.Tokens {
		lines = append(lines, t.line())
	}
	for _, seed := range b.seeds {
		lines = append(lines, z85.Encode(seed)+"\n")
	}
	slices.Sort(lines)
	return strings.Join(lines, "") + b.servers.text()
}

// save writes down what there is, and which roll is the latest. The caller has the lock.
func (b *book) save(latest *Roll) error {
	b.latest = latest
	return b.dir.write(fileMembers, 0o600, []byte(b.text()))
}

// publish makes the next roll, and saves it. The caller has the lock.
func (b *book) publish(now time.Time) error {
	if b.next.Number == math.MaxUint64 { // nobody who means well gets there
		return fmt.Errorf("the network's roll has the highest number: somebody else has the key: move the network: %w", ErrFull)
	}
	r, err := b.due(now).signed(b.key)
	if err != nil {
		return err
	}
	return b.save(r)
}

// with does something with what the directory has, under its lock.
func (n *Network) with(do func(*book) error) error {
	return n.dir.locked(func() error {
		b, err := n.read()
		if err == nil {
			err = do(b)
		}
		return err
	})
}

// change changes what the directory has, and publishes the next roll.
func (n *Network) change(now time.Time, do func(*book) error) error {
	return n.with(func(b *book) error {
		if err := n.stays(); err != nil {
			return err
		}
		if err := do(b); err != nil {
			return err
		}
		return b.publish(now)
	})
}

// stays fails if the network has moved from the directory.
func (n *Network) stays() error {
	key, err := read(n.dir, fileMoved, ofTrusted, func(text string) (string, error) { return text, nil })
	if err == nil && key != "" {
		err = fmt.Errorf("the network has the key %s now: use the directory of that", strings.TrimSpace(key))
	}
	return err
}

// due returns the next roll, unsigned, with the tokens that count.
func (b *book) due(now time.Time) *Roll {
	r := b.next
	r.Number++
	r.Vouched = vouched(b.servers.now)
	r.Tokens = maps.Clone(r.Tokens)
	maps.DeleteFunc(r.Tokens, func(_ uuid.UUID, t *Token) bool { return r.Voids(t) || !now.Add(-skew).Before(t.Expiry) })
	return &r
}

// member returns the token of the member with a name or an id, which was not revoked. Of
// two that have a name the later counts. The error is api.ErrUnknown.
func (b *book) member(nameOrID string) (found *Token, err error) {
	id, notID := uuid.Parse(nameOrID)
	for _, t := range b.next.Tokens {
		if (t.Name == nameOrID || notID == nil && t.Member == id) && !b.next.Voids(t) && t.later(found) {
			found = t
		}
	}
	if found == nil {
		err = api.ErrUnknown
	}
	return found, err
}

// vouch makes a token, in place of those of the member that it renews. It becomes valid
// after those, and after the time up to which the member was revoked.
func (b *book) vouch(name string, roles []string, member uuid.UUID, valid time.Duration, now time.Time) (*Token, error) {
	for id, t := range b.due(now).Tokens {
		if t.Name == name && id != member {
			return nil, fmt.Errorf("%q is %s: %w", name, id, ErrName)
		}
	}
	from := now
	if last := b.last(member); from.Unix() <= last.Unix() {
		from = last.Add(time.Second)
	}
	token, err := newToken(b.key, name, roles, member, from, from.Add(valid))
	if err == nil {
		b.add(token)
	}
	return token, err
}

// last returns the latest time that the network has said anything of a member for.
func (b *book) last(member uuid.UUID) time.Time {
	last := b.next.Revoked[member]
	if t := b.next.Tokens[member]; t != nil && t.NotBefore.After(last) {
		last = t.NotBefore
	}
	return last
}

// add adds a token in place of an earlier one of its member.
func (b *book) add(t *Token) {
	if t.later(b.next.Tokens[t.Member]) {
		b.next.Tokens[t.Member] = t
	}
}

// revoke takes back all tokens that a member has.
func (b *book) revoke(member uuid.UUID, now time.Time) {
	until := b.last(member)
	if until.Before(now) {
		until = now
	}
	b.next.Revoked[member] = until
	delete(b.seeds, member)
}

// invite returns an invite for a member, with its secret if there is one, and the token in
// it. The secret is kept until the invite was taken.
func (b *book) invite(name string, roles []string, member uuid.UUID, seed []byte, valid time.Duration, now time.Time) (string, *Token, error) {
	token, err := b.vouch(name, roles, member, valid, now)
	if err != nil {
		return "", nil, err
	}
	if seed != nil {
		b.seeds[member] = seed
	}
	octets, err := (&oncecard.Invite{Seed: seed, Token: token.octets, Servers: b.servers.now}).AppendTo(nil)
	return written(wordInvite, octets), token, err
}

// memberOf returns the id of the identity that a seed makes.
func memberOf(seed []byte) uuid.UUID { return IDOf(publicOf(ed25519.NewKeyFromSeed(seed))) }

// makeNetwork makes a network with a key in a directory that has none.
func makeNetwork(dir string, seed []byte) (*Network, error) {
	if _, err := LoadNetwork(dir); !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(err, fmt.Errorf("%s: %w", dir, ErrExists))
	}
	return openNetwork(dir, seed)
}

// MoveNetwork makes the network in a directory one with a new key, in a directory that has
// none yet. It takes all members along that were not revoked. The old directory makes no
// members any more, and is not moved again: members follow one move of a key only.
func MoveNetwork(dir, old string) (n *Network, err error) {
	was, err := LoadNetwork(old)
	if err != nil {
		return nil, err
	}
	err = was.with(func(b *book) error {
		if err := was.stays(); err != nil {
			return err
		}
		if n, err = b.move(dir, time.Now()); err == nil {
			err = was.dir.write(fileMoved, 0o644, []byte(n.PublicKey()+"\n"))
		}
		return err
	})
	return n, err
}

// move is the part of MoveNetwork that makes the new one.
func (b *book) move(dir string, now time.Time) (*Network, error) {
	if len(b.latest.keys) == maxMoves {
		return nil, fmt.Errorf("a network that has moved %d times: %w", maxMoves, ErrFull)
	}
	n, err := makeNetwork(dir, newSeed())
	if err != nil {
		return nil, err
	}
	move, err := moved(b.key, publicOf(n.key), now)
	if err != nil {
		return nil, err
	}
	return n, n.with(func(to *book) (err error) {
		to.next.Moves, to.seeds, to.servers = slices.Concat(b.latest.Moves, move), b.seeds, b.servers
		for id, t := range b.next.Tokens {
			if b.next.Voids(t) || !now.Before(t.Expiry) {
				continue
			}
			if to.next.Tokens[id], err = newToken(n.key, t.Name, t.Roles, id, now, t.Expiry); err != nil {
				return err
			}
		}
		return to.publish(now)
	})
}

// Backup returns all that the directory has, for [RestoreNetwork]. It is a secret.
func (n *Network) Backup() (text string, err error) {
	err = n.with(func(b *book) error {
		text = written(wordNetwork, n.key.Seed()) + "\n" + b.text()
		return nil
	})
	return text, err
}

// RestoreNetwork makes a directory what [Network.Backup] has written down.
func RestoreNetwork(dir, text string) (*Network, error) {
	first, rest, _ := strings.Cut(text, "\n")
	seed, err := unwritten(wordNetwork, first, ed25519.SeedSize)
	if err == nil && len(seed) != ed25519.SeedSize {
		err = ErrMalformed
	}
	var b *book
	if err == nil {
		b, err = (&Network{directory(dir), ed25519.NewKeyFromSeed(seed)}).parse(rest)
	}
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	if _, err := makeNetwork(dir, seed); err != nil {
		return nil, err
	}
	return b.Network, b.dir.locked(func() error { return b.save(b.latest) })
}
