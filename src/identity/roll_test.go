package identity

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncecard"
)

// latest returns the roll of a network.
func (n *Network) latest(t testing.TB) *Roll {
	t.Helper()
	b, err := n.read()
	must(t, err)
	return b.latest
}

// revoke takes back all tokens that a member has, and returns the roll that says so.
func (n *Network) revoke(member uuid.UUID, now time.Time) (*Roll, error) {
	if err := n.change(now, func(b *book) error { b.revoke(member, now); return nil }); err != nil {
		return nil, err
	}
	b, err := n.read()
	if err != nil {
		return nil, err
	}
	return b.latest, nil
}

// TestRollOfTokens has tokens in a roll that cannot be there.
func TestRollOfTokens(t *testing.T) {
	own, network, _ := fixture(t)
	stranger, err := newToken(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, 32)), "eve", nil, uuid.UUID{1}, start, start.Add(time.Hour))
	must(t, err)
	low, err := newToken(network, "bob", nil, uuid.UUID{1}, start, start.Add(time.Hour))
	must(t, err)
	one, two, three, four := Base64(low.Bare()), Base64(own.token.Bare()), Base64(low.details()), Base64(own.token.details())
	if bytes.Compare(own.id[:], low.Member[:]) < 0 {
		t.Fatal("the fixture has changed")
	}
	for name, test := range map[string]struct {
		tokens  []string
		details []string
		revoked map[uuid.UUID]time.Time
		err     error
	}{
		"two members":        {[]string{one, two}, []string{three, four}, nil, nil},
		"out of order":       {[]string{two, one}, []string{four, three}, nil, ErrMalformed},
		"twice the same":     {[]string{one, one}, []string{three, three}, nil, ErrMalformed},
		"of another network": {[]string{Base64(stranger.Bare())}, []string{Base64(stranger.details())}, nil, ErrMalformed},
		"void":               {[]string{one}, []string{three}, map[uuid.UUID]time.Time{low.Member: start}, ErrMalformed},
		"revoked before":     {[]string{one}, []string{three}, map[uuid.UUID]time.Time{low.Member: start.Add(-time.Second)}, nil},
		"no token":           {[]string{"AAAA"}, []string{three}, nil, ErrMalformed},
		"padding":            {[]string{one + "="}, []string{three}, nil, ErrMalformed},
		"no details":         {[]string{one, two}, nil, nil, ErrMalformed},
		"too few details":    {[]string{one, two}, []string{three}, nil, ErrMalformed},
		"too many details":   {[]string{one}, []string{three, four}, nil, ErrMalformed},
		"details of another": {[]string{one, two}, []string{four, three}, nil, ErrForged},
		"empty details":      {[]string{one}, []string{""}, nil, ErrMalformed},
	} {
		m := oncecard.Roll{Network: publicOf(network), Number: 1, Revoked: (&Roll{Revoked: test.revoked}).pairs(), Tokens: test.tokens}
		signedBy(t, network, &m, &m.Proof)
		m.Details = test.details
		octets, err := m.AppendTo(nil)
		must(t, err)
		_, err = ParseRoll(octets)
		wants(t, err, test.err)
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

// TestMovesRefused has moves in a roll that do not lead to the network's key.
func TestMovesRefused(t *testing.T) {
	key := func(n int) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{byte(n)}, 32)) }
	chain := func(keys ...int) (moves []byte) {
		for i := range len(keys) - 1 {
			move, err := moved(key(keys[i]), publicOf(key(keys[i+1])), start)
			must(t, err)
			moves = append(moves, move...)
		}
		return moves
	}
	for name, test := range map[string]struct {
		moves []byte
		err   error
	}{
		"none":           {nil, nil},
		"one":            {chain(1, 9), nil},
		"two":            {chain(1, 2, 9), nil},
		"as many as may": {chain(1, 2, 3, 4, 5, 6, 7, 8, 9), nil},
		"elsewhere":      {chain(1, 2), ErrMalformed},
		"with a gap":     {slices.Concat(chain(1, 2), chain(3, 9)), ErrMalformed},
		"the wrong way":  {slices.Concat(chain(2, 9), chain(1, 2)), ErrMalformed},
		"a part":         {chain(1, 9)[1:], ErrMalformed},
	} {
		m := oncecard.Roll{Network: publicOf(key(9)), Number: 1, Moves: test.moves}
		r, err := ParseRoll(signedBy(t, key(9), &m, &m.Proof))
		if wants(t, err, test.err); t.Failed() {
			t.Fatal(name)
		}
		if err == nil && !bytes.Equal(r.Moves, test.moves) {
			t.Errorf("%s: %x", name, r.Moves)
		}
	}
}

// TestSucceeds tells which of two rolls a member keeps, both ways.
func TestSucceeds(t *testing.T) {
	n := newNetwork(t)
	invited := func(name string) *Identity {
		invite, err := n.Invite(name, "", uuid.Nil, 30)
		must(t, err)
		who, err := JoinAt(t.TempDir(), invite)
		must(t, err)
		return who
	}
	ana, ben := invited("ana"), invited("ben")
	two := n.latest(t)
	backup, err := n.Backup()
	must(t, err)
	copied, err := RestoreNetwork(t.TempDir(), backup)
	must(t, err)
	three, err := n.revoke(ben.id, time.Now())
	must(t, err)
	other, err := copied.revoke(uuid.UUID{6: 0x80, 8: 0x80}, start)
	must(t, err)
	same, err := copied.revoke(ben.id, time.Now().Add(time.Second))
	must(t, err)
	away, err := MoveNetwork(t.TempDir(), string(n.dir))
	must(t, err)
	again, err := MoveNetwork(t.TempDir(), string(away.dir))
	must(t, err)
	astray, err := MoveNetwork(t.TempDir(), string(copied.dir))
	must(t, err)
	for name, test := range map[string]struct {
		roll, old *Roll
		member    *Identity
		yes       bool
		err       error
	}{
		"a later one":               {three, two, ana, true, nil},
		"an earlier one":            {two, three, ana, false, nil},
		"the same":                  {three, three, ana, false, nil},
		"one that forgets":          {other, three, ana, false, ErrForgets},
		"one that knows more":       {three, other, ana, false, ErrForgets},
		"one that knows of both":    {same, three, ana, true, nil},
		"of another network":        {newNetworkWith(t, "eve").latest(t), three, ana, false, ErrNetwork},
		"moved":                     {away.latest(t), three, ana, true, nil},
		"moved, who was revoked":    {away.latest(t), two, ben, false, ErrLeftBehind},
		"moved back":                {three, away.latest(t), ana, false, nil},
		"moved twice":               {again.latest(t), three, ana, true, nil},
		"moved on":                  {again.latest(t), away.latest(t), ana, true, nil},
		"moved to two keys":         {astray.latest(t), away.latest(t), ana, false, ErrMoved},
		"moved to two keys, and on": {astray.latest(t), again.latest(t), ana, false, ErrMoved},
	} {
		yes, err := test.roll.Succeeds(test.old, test.member.id)
		if wants(t, err, test.err); yes != test.yes || t.Failed() {
			t.Errorf("%s: %v, %v", name, yes, err)
		}
	}
	if n.Revoke("ana") == nil {
		t.Error("the old directory still revokes")
	}
}

func newNetworkWith(t testing.TB, name string) *Network {
	n := newNetwork(t)
	member(t, n, name)
	return n
}

// TestInviteAgain: an invite that nobody has taken is the same identity again, whatever the
// directory went through; once it is taken its secret is forgotten.
func TestInviteAgain(t *testing.T) {
	n := newNetwork(t)
	first, err := n.Invite("ana", "sensor", uuid.Nil, 1)
	must(t, err)
	backup, err := n.Backup()
	must(t, err)
	n, err = RestoreNetwork(t.TempDir(), backup)
	must(t, err)
	again, err := n.InviteAgain("ana", 30)
	must(t, err)
	ana, err := JoinAt(t.TempDir(), again)
	must(t, err)
	_, err = JoinAt(ana.Directory(), first)
	wants(t, err, ErrExists)
	if d := time.Until(ana.MemberUntil()); d < 29*24*time.Hour || !slices.Equal(ana.Roles(), []string{"sensor"}) {
		t.Errorf("ana is a member for %v, as %q", d, ana.Roles())
	}
	must(t, n.Taken(ana.id))
	must(t, n.Taken(ana.id))
	third, err := n.InviteAgain(ana.id.String(), 60)
	must(t, err)
	_, err = JoinAt(t.TempDir(), third)
	wants(t, err, fs.ErrNotExist) // it brings no identity
	renewed, err := JoinAt(ana.Directory(), third)
	if must(t, err); !renewed.MemberUntil().After(ana.MemberUntil()) {
		t.Errorf("ana is a member until %v", renewed.MemberUntil())
	}
	for line := range strings.Lines(string(get(t, string(n.dir), fileMembers))) {
		if !strings.HasPrefix(line, wordRoll) && !strings.HasPrefix(line, wordToken) {
			t.Error("the secret is kept")
		}
	}
	_, err = n.InviteAgain("zoe", 1)
	wants(t, err, api.ErrUnknown)
	must(t, n.Revoke("ana"))
	_, err = n.InviteAgain("ana", 1)
	wants(t, err, api.ErrUnknown)
}

// TestRestore has lines that are no backup, and a directory in which there is a network.
func TestRestore(t *testing.T) {
	n := newNetworkWith(t, "ana")
	must(t, n.Revoke("ana"))
	member(t, n, "ben")
	backup, err := n.Backup()
	must(t, err)
	for i := range strings.Count(backup, "\n") { // of what was written last there may be less
		lines := strings.SplitAfter(backup, "\n")
		lines[i] = lines[i][:len(lines[i])/2] + "\n"
		if _, err = RestoreNetwork(t.TempDir(), strings.Join(lines, "")); err == nil {
			t.Errorf("without the end of line %d it is restored", i+1)
		}
	}
	foreign := newNetworkWith(t, "eve").latest(t).Text()
	first, _, _ := strings.Cut(backup, "\n")
	_, err = RestoreNetwork(t.TempDir(), first+"\n"+foreign)
	wants(t, err, ErrNetwork)
	_, err = RestoreNetwork(string(n.dir), backup)
	wants(t, err, ErrExists)
	dir := t.TempDir() + "/restored"
	restored, err := RestoreNetwork(dir, backup)
	must(t, err)
	if again, err := restored.Backup(); err != nil || again != backup {
		t.Errorf("what was restored is\n%s, want\n%s, %v", again, backup, err)
	}
	for _, name := range []string{"network.key", fileMembers} {
		if info, err := os.Stat(dir + "/" + name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

// TestAdoptOwn takes into the directory of a network what its members know and it does not.
func TestAdoptOwn(t *testing.T) {
	n := newNetwork(t)
	for _, name := range []string{"ana", "ben"} {
		_, err := n.Invite(name, "", uuid.Nil, 30)
		must(t, err)
	}
	backup, err := n.Backup()
	must(t, err)
	must(t, n.Revoke("ben"))
	_, err = n.Invite("cat", "", uuid.Nil, 30)
	must(t, err)
	names := func(n *Network) (names []string) {
		members, err := n.Members()
		must(t, err)
		for _, m := range members {
			names = append(names, fmt.Sprint(m.Name(), m.Revoked()))
		}
		return names
	}
	behind, err := RestoreNetwork(t.TempDir(), backup)
	must(t, err)
	must(t, behind.Adopt(n.latest(t).Text()))
	if got, want := names(behind), names(n); !slices.Equal(got, want) || behind.latest(t).Number != n.latest(t).Number {
		t.Errorf("%q, number %d, want %q", got, behind.latest(t).Number, want)
	}
	beside, err := RestoreNetwork(t.TempDir(), backup)
	must(t, err)
	must(t, beside.Revoke("ana"))
	must(t, beside.Adopt(n.latest(t).Text()))
	if got := names(beside); !slices.Equal(got, []string{"anatrue", "bentrue", "catfalse"}) {
		t.Errorf("members are %q", got)
	}
	for _, r := range []*Roll{n.latest(t), behind.latest(t)} {
		if later, err := beside.latest(t).Succeeds(r, uuid.Nil); !later || err != nil {
			t.Errorf("what comes of both does not count: %v", err)
		}
	}
	was := beside.latest(t)
	must(t, beside.Adopt(n.latest(t).Text())) // which says nothing new
	if got := beside.latest(t); got.Number != was.Number {
		t.Errorf("number %d becomes %d", was.Number, got.Number)
	}
	wants(t, beside.Adopt(newNetworkWith(t, "eve").latest(t).Text()), ErrNetwork)
	wants(t, beside.Adopt("once-roll:"), ErrMalformed)
}

// TestFullRoll: more members than a roll has room for are an error, and what there was
// stays.
func TestFullRoll(t *testing.T) {
	n := newNetworkWith(t, "ana")
	was := n.latest(t).Number
	err := n.change(start, func(b *book) error {
		for i := range oncecard.MaxRollTokens {
			token, err := newToken(n.key, fmt.Sprint(i), nil, uuid.UUID{byte(i >> 8), byte(i), 6: 0x80, 8: 0x80}, start, start.Add(time.Hour))
			must(t, err)
			b.add(token)
		}
		return nil
	})
	wants(t, err, ErrFull)
	if got := n.latest(t); got.Number != was || len(got.Tokens) != 1 {
		t.Errorf("%+v", got)
	}
	must(t, n.Revoke("ana"))
}

// TestHighestNumber has somebody with a copy of the key give a roll the highest number: what
// the network says after that would count for nothing, and fails. It can move.
func TestHighestNumber(t *testing.T) {
	n := newNetwork(t)
	_, err := n.Invite("ana", "", uuid.Nil, 30)
	must(t, err)
	last := *n.latest(t)
	last.Number = math.MaxUint64
	r, err := last.signed(n.key)
	must(t, err)
	must(t, n.Adopt(r.Text()))
	wants(t, n.Revoke("ana"), ErrFull)
	_, err = n.Invite("ben", "", uuid.Nil, 30)
	wants(t, err, ErrFull)
	if got := n.latest(t); got.Number != math.MaxUint64 || len(got.Tokens) != 1 {
		t.Errorf("%+v", got)
	}
	moved, err := MoveNetwork(t.TempDir(), string(n.dir))
	must(t, err)
	if later, err := moved.latest(t).Succeeds(r, slices.Collect(maps.Keys(r.Tokens))[0]); !later || err != nil {
		t.Errorf("the move does not count: %v", err)
	}
}

// TestTakeUnkept: a roll that cannot be written counts, whatever the reason.
func TestTakeUnkept(t *testing.T) {
	n := newNetwork(t)
	ana := member(t, n, "ana")
	r, err := n.revoke(uuid.UUID{6: 0x80, 8: 0x80}, start)
	must(t, err)
	must(t, os.Mkdir(ana.dir.path(fileRoll+".new"), 0o700))
	if taken, err := ana.Take(r); !taken || err == nil || ana.Roll() != r {
		t.Errorf("%v, %v, and the roll is %+v", taken, err, ana.Roll())
	}
	if must(t, ana.belong()); ana.Roll() != r {
		t.Errorf("when the files are read again it is %+v", ana.Roll())
	}
}
