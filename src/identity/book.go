package identity

import (
	"bytes"
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
	roll    *Roll                   // the latest
	number  uint64                  // that the next is to be above
	revoked map[uuid.UUID]time.Time // as in the next roll
	tokens  []*Token                // all that no other renews
	seeds   map[uuid.UUID][]byte    // of members whose invites may not have been taken
}

// read returns what the directory has.
func (n *Network) read() (*book, error) {
	b := &book{Network: n, seeds: map[uuid.UUID][]byte{}}
	roll, err := n.dir.roll()
	if err != nil {
		return nil, err
	}
	if b.roll = roll; roll == nil {
		b.roll = noRoll(publicOf(n.key))
	}
	if !b.roll.Network.Equal(publicOf(n.key)) {
		return nil, fmt.Errorf("%s: %w", n.dir.path(fileRoll), ErrNetwork)
	}
	b.number, b.revoked = b.roll.Number, maps.Clone(b.roll.Revoked)
	if b.revoked == nil {
		b.revoked = map[uuid.UUID]time.Time{}
	}
	if b.tokens, err = read(n.dir, fileMembers, ofTrusted, linesOf(tokenIn)); err != nil {
		return nil, err
	}
	invites, err := read(n.dir, fileInvites, ofSecret, linesOf(seedIn))
	for _, i := range invites {
		b.seeds[i.member] = i.seed
	}
	return b, err
}

// linesOf returns what parses a text of which each line is a value.
func linesOf[T any](parse func(line string) (T, error)) func(text string) ([]T, error) {
	return func(text string) (values []T, err error) {
		for line := range strings.Lines(text) {
			value, err := parse(line)
			if err != nil {
				return nil, err
			}
			values = append(values, value)
		}
		return values, nil
	}
}

// change changes what the directory has, and publishes the next roll.
func (n *Network) change(now time.Time, do func(*book) error) error {
	return n.dir.locked(func() error {
		if key, err := read(n.dir, fileMoved, ofTrusted, func(text string) (string, error) { return text, nil }); key != "" || err != nil {
			return errors.Join(err, fmt.Errorf("the network has the key %s now: use the directory of that", strings.TrimSpace(key)))
		}
		b, err := n.read()
		if err == nil {
			err = do(b)
		}
		if err == nil {
			err = b.publish(now)
		}
		return err
	})
}

// publish writes down what there is, and the next roll. The caller has the lock.
func (b *book) publish(now time.Time) error {
	if b.number == math.MaxUint64 { // nobody who means well gets there
		return fmt.Errorf("the network's roll has the highest number: somebody else has the key: move the network: %w", ErrFull)
	}
	r, err := b.next(now).signed(b.key)
	if err != nil {
		return err
	}
	if err = writeLines(b.dir, fileMembers, b.tokens); err == nil {
		err = b.dir.keepRoll(r)
	}
	return err
}

// next returns the next roll, unsigned.
func (b *book) next(now time.Time) *Roll {
	tokens := b.latest(func(t *Token) bool { return !b.voids(t) && now.Add(-skew).Before(t.Expiry) })
	return &Roll{Number: b.number + 1, Moves: b.roll.Moves, Revoked: b.revoked, Tokens: tokens}
}

// merge takes in what another roll of the network says. If that or the latest roll says all
// that there is, it is kept as it is; else the next one does.
func (b *book) merge(r *Roll, now time.Time) error {
	for _, t := range r.Tokens {
		b.add(t)
	}
	for id, until := range r.Revoked {
		if b.revoked[id].Before(until) {
			b.revoked[id] = until
		}
	}
	b.number = max(b.number, r.Number)
	next, latest := b.next(now), b.roll
	if r.rank.Compare(latest.rank) > 0 {
		latest = r
	}
	if !slices.Equal(next.pairs(), latest.pairs()) || !slices.Equal(next.texts(), latest.texts()) {
		return b.publish(now)
	}
	return errors.Join(writeLines(b.dir, fileMembers, b.tokens), b.dir.keepRoll(latest))
}

func (b *book) voids(t *Token) bool { return (&Roll{Revoked: b.revoked}).Voids(t) }

// latest returns the latest token of each member, of those that count.
func (b *book) latest(counts func(*Token) bool) map[uuid.UUID]*Token {
	latest := map[uuid.UUID]*Token{}
	for _, t := range b.tokens {
		if counts(t) && t.later(latest[t.Member]) {
			latest[t.Member] = t
		}
	}
	return latest
}

// member returns the token of the member with a name or an id, which was not revoked. Of
// two that have a name the later counts. The error is api.ErrUnknown.
func (b *book) member(nameOrID string) (found *Token, err error) {
	id, notID := uuid.Parse(nameOrID)
	for _, t := range b.latest(func(t *Token) bool { return !b.voids(t) }) {
		if (t.Name == nameOrID || notID == nil && t.Member == id) && t.later(found) {
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
	latest := b.latest(func(t *Token) bool { return !b.voids(t) })
	for id, t := range latest {
		if t.Name == name && id != member && now.Add(-skew).Before(t.Expiry) {
			return nil, fmt.Errorf("%q is %s: %w", name, id, ErrName)
		}
	}
	from := now
	if until, ok := b.revoked[member]; ok && from.Unix() <= until.Unix() {
		from = until.Add(time.Second)
	}
	if t := latest[member]; t != nil && from.Unix() <= t.NotBefore.Unix() {
		from = t.NotBefore.Add(time.Second)
	}
	token, err := newToken(b.key, name, roles, member, from, from.Add(valid))
	if err == nil {
		b.add(token)
	}
	return token, err
}

// add adds a token in place of earlier ones of its member.
func (b *book) add(token *Token) {
	if t := b.latest(func(*Token) bool { return true })[token.Member]; !token.later(t) {
		return
	}
	b.tokens = append(slices.DeleteFunc(b.tokens, func(t *Token) bool { return t.Member == token.Member }), token)
}

// revoke takes back all tokens that a member has.
func (b *book) revoke(member uuid.UUID, now time.Time) {
	until := now
	if before := b.revoked[member]; before.After(until) {
		until = before
	}
	for _, t := range b.tokens {
		if t.Member == member && t.NotBefore.After(until) {
			until = t.NotBefore
		}
	}
	b.revoked[member] = until
	delete(b.seeds, member)
}

// write returns an invite for a member, with its secret if there is one. That is kept
// until the invite was taken.
func (b *book) write(token *Token, seed []byte) (string, error) {
	m := oncecard.Invite{Seed: seed, Token: token.octets}
	octets, err := m.AppendTo(nil)
	if err == nil && seed != nil {
		b.seeds[token.Member] = seed
		err = b.keepSeeds()
	}
	return written(wordInvite, octets), err
}

// pending is the identity that an invite brings.
type pending struct {
	member uuid.UUID
	seed   []byte
}

func (p pending) line() string { return z85.Encode(p.seed) + "\n" }

func seedIn(line string) (pending, error) {
	seed, err := z85.Key(strings.TrimSuffix(line, "\n"))
	return pending{IDOf(publicOf(ed25519.NewKeyFromSeed(seed[:]))), seed[:]}, err
}

// keepSeeds writes down the secrets of invites. The caller has the lock.
func (b *book) keepSeeds() error { return writeLines(b.dir, fileInvites, b.invites()) }

// invites are those that may not have been taken, in the order of their members.
func (b *book) invites() (list []pending) {
	for id, seed := range b.seeds {
		list = append(list, pending{id, seed})
	}
	slices.SortFunc(list, func(a, b pending) int { return bytes.Compare(a.member[:], b.member[:]) })
	return list
}

// MoveNetwork makes the network in a directory one with a new key, in a directory that has
// none yet. It takes all members along that were not revoked. The old directory makes no
// members any more.
func MoveNetwork(dir, old string) (*Network, error) {
	was, err := LoadNetwork(old)
	if err != nil {
		return nil, err
	}
	if _, err := LoadNetwork(dir); !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(err, fmt.Errorf("%s: %w", dir, ErrExists))
	}
	now := time.Now()
	var n *Network
	err = was.dir.locked(func() error {
		b, err := was.read()
		if err != nil {
			return err
		}
		if n, err = b.move(dir, now); err == nil {
			err = was.dir.write(fileMoved, 0o644, []byte(n.PublicKey()+"\n"))
		}
		return err
	})
	return n, err
}

// move is the part of MoveNetwork that makes the new one.
func (b *book) move(dir string, now time.Time) (*Network, error) {
	if len(b.roll.keys) == maxMoves {
		return nil, fmt.Errorf("a network that has moved %d times: %w", maxMoves, ErrFull)
	}
	n, err := OpenNetwork(dir)
	if err != nil {
		return nil, err
	}
	move, err := moved(b.key, publicOf(n.key), now)
	if err != nil {
		return nil, err
	}
	next := &book{Network: n, roll: &Roll{Moves: slices.Concat(b.roll.Moves, move)}, seeds: b.seeds}
	for _, t := range b.latest(func(t *Token) bool { return !b.voids(t) && now.Before(t.Expiry) }) {
		token, err := newToken(n.key, t.Name, t.Roles, t.Member, now, t.Expiry)
		if err != nil {
			return nil, err
		}
		next.tokens = append(next.tokens, token)
	}
	return n, n.dir.locked(func() error { return errors.Join(next.keepSeeds(), next.publish(now)) })
}

// Backup returns all that the directory has, for [RestoreNetwork]. It is a secret.
func (n *Network) Backup() (text string, err error) {
	err = n.dir.locked(func() error {
		b, err := n.read()
		if err != nil {
			return err
		}
		lines := []string{written(wordNetwork, n.key.Seed())}
		if b.roll.Number > 0 {
			lines = append(lines, b.roll.Text())
		}
		for _, t := range b.tokens {
			lines = append(lines, strings.TrimSuffix(t.line(), "\n"))
		}
		for _, invite := range b.invites() {
			lines = append(lines, strings.TrimSuffix(invite.line(), "\n"))
		}
		text = strings.Join(lines, "\n") + "\n"
		return nil
	})
	return text, err
}

// RestoreNetwork makes a directory what [Network.Backup] has written down.
func RestoreNetwork(dir, text string) (*Network, error) {
	if _, err := LoadNetwork(dir); !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(err, fmt.Errorf("%s: %w", dir, ErrExists))
	}
	first, rest, _ := strings.Cut(text, "\n")
	seed, err := unwritten(wordNetwork, first, ed25519.SeedSize)
	if err == nil && len(seed) != ed25519.SeedSize {
		err = ErrMalformed
	}
	b := &book{seeds: map[uuid.UUID][]byte{}}
	for line := range strings.Lines(rest) {
		if err == nil {
			err = b.restore(line)
		}
	}
	if err == nil && b.roll != nil && !b.roll.Network.Equal(publicOf(ed25519.NewKeyFromSeed(seed))) {
		err = ErrNetwork
	}
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	if err := directory(dir).establishKey("network", seed); err != nil {
		return nil, err
	}
	if b.Network, err = LoadNetwork(dir); err != nil {
		return nil, err
	}
	return b.Network, b.dir.locked(func() error {
		err := errors.Join(writeLines(b.dir, fileMembers, b.tokens), b.keepSeeds())
		if b.roll != nil {
			err = errors.Join(err, b.dir.keepRoll(b.roll))
		}
		return err
	})
}

// restore takes in a line of a backup.
func (b *book) restore(line string) (err error) {
	switch {
	case strings.HasPrefix(line, wordRoll):
		b.roll, err = RollIn(line)
	case strings.HasPrefix(line, wordToken):
		var t *Token
		t, err = tokenIn(line)
		b.tokens = append(b.tokens, t)
	default:
		var p pending
		p, err = seedIn(line)
		b.seeds[p.member] = p.seed
	}
	return err
}
