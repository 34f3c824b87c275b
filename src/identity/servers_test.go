package identity

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
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
