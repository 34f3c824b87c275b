package once_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// TestMembershipErrors checks that what can go wrong with identities and networks
// can be told apart.
func TestMembershipErrors(t *testing.T) {
	directory := t.TempDir()
	at := func(name string) string { return filepath.Join(directory, name) }
	network := func(name string) *once.NetworkKey {
		n, err := once.OpenNetwork(at(name))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	office, home := network("office"), network("home")
	invite := func(n *once.NetworkKey, name string, member uuid.UUID) string {
		text, err := n.Invite(name, "", member, 1)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	forAna, forBen := invite(office, "ana", uuid.Nil), invite(office, "ben", uuid.Nil)
	ana, err := once.JoinNetwork(at("ana"), forAna)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := invite(home, "ana", ana.UUID())
	if err := office.Revoke("ana"); err != nil {
		t.Fatal(err)
	}
	roll, err := office.Roll()
	if err != nil {
		t.Fatal(err)
	}
	if err := ana.Adopt(roll); err != nil {
		t.Fatal(err)
	}
	open, err := once.OpenIdentity(at("open"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(at("open"), "identity.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	join := func(name, invite string) error {
		_, err := once.JoinNetwork(at(name), invite)
		return err
	}
	proof := len(forBen) - 80 // a place within it
	forged := forBen[:proof] + "A" + forBen[proof+1:]
	if forged == forBen {
		forged = forBen[:proof] + "B" + forBen[proof+1:]
	}

	for name, test := range map[string]struct{ got, want error }{
		"rubbish":             {join("new", "once:rubbish"), once.ErrMalformed},
		"forged":              {join("new", forged), once.ErrForged},
		"for somebody else":   {join("ana", forBen), once.ErrStranger},
		"of another network":  {join("ana", elsewhere), once.ErrNetwork},
		"revoked":             {join("ana", forAna), once.ErrRevoked},
		"a roll of nonsense":  {ana.Adopt("once-roll:"), once.ErrMalformed},
		"another's roll":      {open.Adopt(roll), once.ErrNetwork},
		"no name":             {ana.Forget("zoe"), once.ErrUnknown},
		"no member":           {office.Revoke("zoe"), once.ErrUnknown},
		"a name that is had":  {second(office.Invite("ben", "", ana.UUID(), 1)), once.ErrName},
		"a day too long":      {second(office.Invite("zoe", "", uuid.Nil, 3651)), once.ErrArgument},
		"open to others":      {second(once.LoadIdentity(at("open"))), once.ErrMode},
		"nobody there":        {second(once.LoadIdentity(at("nobody"))), fs.ErrNotExist},
		"no network there":    {second(once.LoadNetwork(at("nobody"))), fs.ErrNotExist},
		"nothing is kept":     {second(memory(t).Pins()), once.ErrNoDirectory},
		"nothing is forgiven": {memory(t).Forget("zoe"), once.ErrNoDirectory},
	} {
		if !errors.Is(test.got, test.want) {
			t.Errorf("%s: %v, want %v", name, test.got, test.want)
		}
	}
}

// memory returns an identity that no directory keeps.
func memory(t *testing.T) *once.Identity {
	who, err := once.OpenIdentity("")
	if err != nil {
		t.Fatal(err)
	}
	return who
}

func second[T any](_ T, err error) error { return err }
