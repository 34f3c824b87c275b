package identity

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncecard"
)

// TestServers has invites bring servers, which the member keeps until another invite brings
// others.
func TestServers(t *testing.T) {
	n, err := OpenNetwork(t.TempDir())
	must(t, err)
	const one, two = "once://one/?key=K#S", "once://two/?key=K#S"
	must(t, n.SetServer(one))
	must(t, n.SetServer(one))
	dir := t.TempDir()
	join := func(name string, id uuid.UUID, want ...string) *Identity {
		t.Helper()
		invite, err := n.Invite(name, "", id, 1)
		if id != uuid.Nil {
			invite, err = n.InviteAgain(name, 1)
		}
		must(t, err)
		who, err := JoinAt(dir, invite)
		must(t, err)
		if got, err := who.Servers(); err != nil || !slices.Equal(got, want) {
			t.Errorf("it keeps %v, %v, want %v", got, err, want)
		}
		return who
	}
	who := join("ana", uuid.Nil, one)
	must(t, n.SetServer(two))
	join("ana", who.UUID(), one, two)
	must(t, n.SetServer(""))
	join("ana", who.UUID(), one, two) // the invite has nothing to say of that
	for _, wrong := range []string{"tcp://one#S", "once://one", "once://one#", "once://one/#S\nonce://two/#S", "once://" + strings.Repeat("a", 2048) + "#S"} {
		if err := n.SetServer(wrong); !errors.Is(err, api.ErrRendezvous) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	for i := range 8 {
		must(t, n.SetServer("once://"+strings.Repeat("a", i+1)+"#S"))
	}
	if err := n.SetServer(one); !errors.Is(err, api.ErrRendezvous) {
		t.Errorf("a ninth: %v", err)
	}
	if made, err := New(); err != nil {
		t.Error(err)
	} else if list, err := made.Servers(); list != nil || err != nil {
		t.Errorf("in memory: %v, %v", list, err)
	}
}

// Addresses without SECRETs.
const (
	publicOne = "once://one/?key=K"
	publicTwo = "once://two/?key=K"
)

// serving returns a network that has servers, and who is a member of it.
func serving(t *testing.T, addresses ...string) (n *Network, dir string, who *Identity) {
	t.Helper()
	dir = t.TempDir()
	n, err := OpenNetwork(dir)
	must(t, err)
	for _, address := range addresses {
		must(t, n.SetServer(address))
	}
	invite, err := n.Invite("ana", "", uuid.Nil, 1)
	must(t, err)
	who, err = JoinAt(t.TempDir(), invite)
	must(t, err)
	return n, dir, who
}

func list(t *testing.T, of interface{ Servers() ([]string, error) }) []string {
	t.Helper()
	list, err := of.Servers()
	must(t, err)
	return list
}

// latest returns the network's roll, which vouches for what invites bring.
func latest(t *testing.T, n *Network) *Roll {
	t.Helper()
	text, err := n.Roll()
	must(t, err)
	r, err := RollIn(text)
	must(t, err)
	if !bytes.Equal(r.Vouched, vouched(list(t, n))) {
		t.Error("the roll vouches for other servers")
	}
	return r
}

const gone = "5c0e9b4e-3c1f-8a4e-8a8f-0d5f6a3f9f0e"

// TestRedrawn has each revocation draw a SECRET for each server, and nothing else do so. Who
// gives the network an address of before adds nothing, and brings none back.
func TestRedrawn(t *testing.T) {
	one, two := publicOne+"#"+Base64(newSeed()), publicTwo+"#"+Base64(newSeed())
	n, _, who := serving(t, one, two)
	must(t, n.Rename("ana", "anna"))
	if got := list(t, n); !slices.Equal(got, []string{one, two}) || latest(t, n).Vouched == nil {
		t.Errorf("it has %v", got)
	}
	var seen []string
	for range 3 {
		must(t, n.Revoke(gone))
		got := list(t, n)
		latest(t, n)
		for i, public := range []string{publicOne, publicTwo} {
			if len(got) != 2 || !strings.HasPrefix(got[i], public+"#") || len(got[i]) != len(public)+1+43 || slices.Contains(append(seen, one, two), got[i]) {
				t.Errorf("a revocation draws %v after %v", got, seen)
			}
		}
		seen = append(seen, got...)
		must(t, n.SetServer(got[0]))
		must(t, n.SetServer(one))
		if again := list(t, n); !slices.Equal(again, got) {
			t.Errorf("an address of before makes it %v", again)
		}
	}
	invite, err := n.InviteAgain("anna", 1)
	must(t, err)
	who, err = JoinAt(who.Directory(), invite)
	must(t, err)
	if got := list(t, who); !slices.Equal(got, list(t, n)) {
		t.Errorf("a new invite brings %v", got)
	}
	if former, err := who.FormerServers(); err != nil || !slices.Equal(former, []string{one, two}) {
		t.Errorf("it knows of %v, %v, as those that were replaced", former, err)
	}
	for range oncecard.MaxInviteServers {
		must(t, n.Revoke(gone))
	}
	courier, err := n.Courier()
	must(t, err)
	if got, err := courier.Meets(); err != nil || len(got) != 2+oncecard.MaxInviteServers || !slices.Equal(got[:2], list(t, n)) {
		t.Errorf("a courier looks for members at %v, %v", got, err)
	}
	last := list(t, n)[0]
	must(t, n.Revoke(gone))
	must(t, n.SetServer(""))
	if err := n.SetServer(last); !errors.Is(err, api.ErrRendezvous) || strings.Contains(err.Error(), last) {
		t.Errorf("an address of before, and none of now: %v", err)
	}
	must(t, n.Revoke(gone))
	if r := latest(t, n); r.Vouched != nil {
		t.Errorf("without servers the roll vouches for %x", r.Vouched)
	}
}

// TestServersLast has a backup and a move keep the addresses, and a network that was restored
// from before a revocation draw others than it has: those who were revoked know these.
func TestServersLast(t *testing.T) {
	one := publicOne + "#" + Base64(newSeed())
	n, dir, _ := serving(t, one)
	before, err := n.Backup()
	must(t, err)
	must(t, n.Revoke(gone))
	is := list(t, n)
	after, err := n.Backup()
	must(t, err)
	restored, err := RestoreNetwork(t.TempDir(), after)
	must(t, err)
	moved, err := MoveNetwork(t.TempDir(), dir)
	must(t, err)
	for name, kept := range map[string]*Network{"restored": restored, "moved": moved} {
		if got := list(t, kept); !slices.Equal(got, is) {
			t.Errorf("%s it has %v", name, got)
		}
		latest(t, kept)
		if who, err := kept.Courier(); err != nil {
			t.Error(err)
		} else if got, err := who.Meets(); err != nil || !slices.Equal(got, append(is, one)) {
			t.Errorf("%s its courier looks for members at %v, %v", name, got, err)
		}
	}
	text := latest(t, restored).Text()
	old, err := RestoreNetwork(t.TempDir(), before)
	must(t, err)
	must(t, old.Adopt(text))
	got := list(t, old)
	if len(got) != 1 || got[0] == one || got[0] == is[0] || !strings.HasPrefix(got[0], publicOne+"#") {
		t.Errorf("restored from before it has %v", got)
	}
	if r := latest(t, old); r.Number <= latest(t, restored).Number {
		t.Errorf("its roll has number %d", r.Number)
	}
	must(t, old.Adopt(text)) // nothing more is new
	if again := list(t, old); !slices.Equal(again, got) {
		t.Errorf("the same roll again makes it %v", again)
	}
}

// TestTakeServers has a member lack what its roll vouches for until it is brought that, and keep
// nothing else; one who is not in the roll, or was invited since, lacks nothing.
func TestTakeServers(t *testing.T) {
	one := publicOne + "#" + Base64(newSeed())
	n, _, who := serving(t, one)
	lacks := func(who *Identity, want bool) {
		t.Helper()
		got, lacks, err := who.Listed()
		if must(t, err); lacks != want || lacks && got != nil {
			t.Errorf("it lacks addresses: %v, and has %v", lacks, got)
		}
	}
	lacks(who, false)
	invite, err := n.Invite("ben", "", uuid.Nil, 1)
	must(t, err)
	ben, err := JoinAt(t.TempDir(), invite)
	must(t, err)
	must(t, n.Revoke("ben"))
	for _, member := range []*Identity{who, ben} {
		if taken, err := member.Take(latest(t, n)); !taken || err != nil {
			t.Fatalf("%v, %v", taken, err)
		}
	}
	lacks(ben, false) // there is nothing for it
	lacks(who, true)
	is := list(t, n)
	for _, wrong := range [][]string{nil, {one}, {is[0], one}, {is[0], is[0]}, {is[0] + "x"}, {"rubbish"}, {publicTwo + "#" + Base64(newSeed())}, slices.Repeat(is, 9), {"once://" + strings.Repeat("a", 2048) + "#S"}} {
		if err := who.TakeServers(wrong); !errors.Is(err, ErrForged) && !errors.Is(err, ErrMalformed) {
			t.Errorf("%v: %v", wrong, err)
		}
	}
	if err := ben.TakeServers([]string{one}); !errors.Is(err, ErrForged) {
		t.Errorf("by who was revoked: %v", err)
	}
	lacks(who, true)
	must(t, who.TakeServers(is))
	lacks(who, false)
	again, err := Load(who.Directory())
	must(t, err)
	former, err := again.FormerServers()
	if must(t, err); !slices.Equal(list(t, again), is) || !slices.Equal(former, []string{one}) {
		t.Errorf("it keeps %v, and %v of before", list(t, again), former)
	}

	must(t, n.Revoke(gone))
	invite, err = n.InviteAgain("ana", 1)
	must(t, err)
	who, err = JoinAt(who.Directory(), invite)
	must(t, err)
	lacks(who, false) // its addresses are later than its roll
	if got := list(t, who); !slices.Equal(got, list(t, n)) {
		t.Errorf("it has %v", got)
	}
	if _, err := who.Take(latest(t, n)); err != nil {
		t.Error(err)
	}
	if got, lacks, err := who.Listed(); got == nil || lacks || err != nil {
		t.Errorf("%v, %v, %v", got, lacks, err)
	}
}

// TestInform has the identity of a network's owner know what the network says, unless it knows
// better.
func TestInform(t *testing.T) {
	one := publicOne + "#" + Base64(newSeed())
	n, _, who := serving(t, one)
	before, err := n.Backup()
	must(t, err)
	must(t, n.Revoke(gone))
	told, err := n.Inform(who.Directory())
	must(t, err)
	if got, lacks, err := told.Listed(); !slices.Equal(got, list(t, n)) || lacks || err != nil {
		t.Errorf("it is told %v, %v, %v", got, lacks, err)
	}
	if got, err := told.Meets(); err != nil || !slices.Equal(got, append(list(t, n), one)) {
		t.Errorf("it looks for members at %v, %v", got, err)
	}
	if plain, err := Load(who.Directory()); err != nil {
		t.Error(err)
	} else if got, err := plain.Meets(); err != nil || !slices.Equal(got, list(t, n)) {
		t.Errorf("another time it looks for members at %v, %v", got, err)
	}
	old, err := RestoreNetwork(t.TempDir(), before)
	must(t, err)
	must(t, old.Rename("ana", "anna")) // a roll that forgets who is gone
	told, err = old.Inform(who.Directory())
	if must(t, err); !slices.Equal(list(t, told), list(t, n)) {
		t.Errorf("what was forgotten makes it %v", list(t, told))
	}
	other, _, _ := serving(t)
	if _, err := other.Inform(who.Directory()); !errors.Is(err, ErrNetwork) {
		t.Errorf("another network: %v", err)
	}
	if _, err := n.Inform(t.TempDir()); err == nil {
		t.Error("nobody is told")
	}
}

// TestServersInMemory has an identity that no directory keeps, or that cannot be changed, go by
// what it is brought until it ends.
func TestServersInMemory(t *testing.T) {
	n, _, _ := serving(t, publicOne+"#"+Base64(newSeed()))
	who, err := n.Courier()
	must(t, err)
	before := list(t, who)
	must(t, n.Revoke(gone))
	who.roll = latest(t, n)
	must(t, who.TakeServers(list(t, n)))
	former, err := who.FormerServers()
	if must(t, err); !slices.Equal(list(t, who), list(t, n)) || !slices.Equal(former, before) {
		t.Errorf("it has %v, and %v of before", list(t, who), former)
	}
}
