package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
)

func newNetwork(t testing.TB) *Network {
	t.Helper()
	n, err := OpenNetwork(t.TempDir() + "/network")
	must(t, err)
	return n
}

// member makes an identity in a directory and a member of a network.
func member(t testing.TB, n *Network, name string) *Identity {
	t.Helper()
	invite, _, err := n.invite(name, nil, uuid.Nil, time.Hour, start)
	must(t, err)
	dir := t.TempDir() + "/" + name
	_, err = joinAt(dir, invite, start)
	must(t, err)
	return load(t, dir)
}

// names returns who the members are.
func (n *Network) names(t testing.TB) (names []string) {
	t.Helper()
	members, err := n.Members()
	must(t, err)
	for _, m := range members {
		if !m.Revoked() {
			names = append(names, fmt.Sprint(m.Name(), " ", m.Expiry.Sub(start)))
		}
	}
	slices.Sort(names)
	return names
}

func TestInvites(t *testing.T) {
	n := newNetwork(t)
	_, err := LoadNetwork(t.TempDir())
	wants(t, err, fs.ErrNotExist)
	again, err := OpenNetwork(string(n.dir))
	if must(t, err); !again.key.Equal(n.key) {
		t.Fatal("a network is not what it was")
	}
	ben := uuid.UUID{1, 6: 0x80, 8: 0x80}
	for _, test := range []struct {
		name  string
		who   uuid.UUID
		valid time.Duration
		after time.Duration
		err   error
	}{
		{"ana", uuid.Nil, time.Hour, 0, nil},
		{"ana", uuid.Nil, time.Hour, 0, ErrName},
		{"ana", ben, time.Hour, 0, ErrName},
		{"ben", ben, time.Hour, 0, nil},
		{"ben", ben, 2 * time.Hour, 0, nil},            // a second after that
		{"ben", ben, time.Hour, 30 * time.Minute, nil}, // though it expires earlier
		{"ana", ben, time.Hour, time.Hour, ErrName},    // somebody's clock may be late
		{"ana", ben, time.Hour, time.Hour + skew, nil}, // ana's has expired
		{"ben", uuid.Nil, time.Hour, time.Hour, nil},   // which is free now
		{"cat", uuid.UUID{1, 6: 0x40, 8: 0x80}, time.Hour, 0, ErrStranger},
		{"", uuid.Nil, time.Hour, 0, ErrMalformed},
		{strings.Repeat("n", 256), uuid.Nil, time.Hour, 0, errAny},
		{"cat", uuid.Nil, 0, 0, ErrMalformed},
		{"cat", uuid.Nil, -time.Hour, 0, ErrMalformed},
	} {
		_, token, err := n.invite(test.name, []string{"r"}, test.who, test.valid, start.Add(test.after))
		if test.err == errAny && err != nil {
			continue
		}
		wants(t, err, test.err)
		if err == nil && (token.Name != test.name || test.who != uuid.Nil && token.Member != test.who) {
			t.Errorf("%+v for %+v", token, test)
		}
	}
	if got := n.names(t); !slices.Equal(got, []string{"ana 1h0m0s", "ana 2h2m0s", "ben 2h0m0s"}) {
		t.Errorf("members are %q", got)
	}
}

var errAny = errors.New("any")

func TestJoin(t *testing.T) {
	n, other := newNetwork(t), newNetwork(t)
	ana := member(t, n, "ana")
	again := func(n *Network, name string, who uuid.UUID, at time.Time) string {
		invite, _, err := n.invite(name, nil, who, time.Hour, at)
		must(t, err)
		return invite
	}
	first, second := again(n, "ana", ana.id, start), again(n, "ana", ana.id, start.Add(time.Minute))
	stranger := again(other, "eve", uuid.Nil, start)
	elsewhere, err := Open(t.TempDir() + "/elsewhere")
	must(t, err)
	for name, test := range map[string]struct {
		dir, invite string
		after       time.Duration
		err         error
	}{
		"once more":              {ana.Directory(), first, 0, nil},
		"another network":        {ana.Directory(), again(other, "ana", ana.id, start), 0, ErrNetwork},
		"nobody there":           {t.TempDir(), first, 0, fs.ErrNotExist},
		"another identity":       {elsewhere.Directory(), first, 0, ErrStranger},
		"another brought along":  {ana.Directory(), stranger, 0, ErrStranger},
		"expired":                {t.TempDir(), stranger, time.Hour + skew, ErrExpired},
		"not yet":                {t.TempDir(), stranger, -skew - time.Second, ErrExpired},
		"no invite":              {t.TempDir(), "", 0, ErrMalformed},
		"a roll":                 {t.TempDir(), wordRoll + stranger[len(wordInvite):], 0, ErrMalformed},
		"white space":            {t.TempDir(), stranger + "\n", 0, ErrMalformed},
		"padding":                {t.TempDir(), stranger + "=", 0, ErrMalformed},
		"too long":               {t.TempDir(), wordInvite + strings.Repeat("A", 2*MaxCard), 0, ErrMalformed},
		"others may write there": {writable(t), stranger, 0, ErrMode},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := joinAt(test.dir, test.invite, start.Add(test.after))
			wants(t, err, test.err)
		})
	}
	for range 2 {
		_, err = joinAt(ana.Directory(), second, start)
		must(t, err)
	}
	_, err = joinAt(ana.Directory(), first, start)
	wants(t, err, ErrExists)
	if got := load(t, ana.Directory()); got.MemberName() != "ana" || !got.token.NotBefore.Equal(start.Add(time.Minute)) || got.Network() != n.PublicKey() {
		t.Errorf("ana is %+v", got.token)
	}
	put(t, elsewhere.Directory(), fileToken, get(t, ana.Directory(), fileToken), 0o600)
	_, err = Load(elsewhere.Directory())
	wants(t, err, ErrStranger)
}

func writable(t *testing.T) string {
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o777))
	return dir
}

func TestRevoke(t *testing.T) {
	n := newNetwork(t)
	ana := member(t, n, "ana")
	early, _, err := n.invite("ana", nil, ana.id, time.Hour, start.Add(time.Minute)) // by a clock ahead
	must(t, err)
	first, err := n.revoke(ana.id, start)
	must(t, err)
	second, err := n.revoke(ana.id, start.Add(-time.Hour)) // by a late one
	must(t, err)
	if first.Number != 3 || second.Number != 4 || !second.Voids(ana.token) || len(n.names(t)) != 0 {
		t.Fatalf("%+v, then %+v, and %q", first, second, n.names(t))
	}
	must(t, ana.Adopt(second.Text()))
	_, err = joinAt(ana.Directory(), early, start)
	wants(t, err, ErrRevoked)
	invite, token, err := n.invite("ana", nil, ana.id, time.Hour, start)
	must(t, err)
	if !token.NotBefore.Equal(start.Add(time.Minute+time.Second)) || second.Voids(token) {
		t.Errorf("a token from %s on is void from the start", token.NotBefore)
	}
	_, err = joinAt(ana.Directory(), invite, start)
	must(t, err)
	if got := n.names(t); len(got) != 1 {
		t.Errorf("members are %q", got)
	}
}

// TestRevokeAtOnce: no change is lost.
func TestRevokeAtOnce(t *testing.T) {
	n := newNetwork(t)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			again, err := LoadNetwork(string(n.dir))
			if err == nil {
				_, _, err = again.invite(fmt.Sprint(i), nil, uuid.Nil, time.Hour, start)
			}
			var r *Roll
			if err == nil {
				r, err = again.revoke(uuid.UUID{byte(i), 6: 0x80, 8: 0x80}, start)
			}
			if err != nil || len(r.Revoked)+len(r.Tokens) > int(r.Number) {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	all.Wait()
	if r := n.latest(t); r.Number != 40 || len(r.Revoked) != 20 || len(r.Tokens) != 20 {
		t.Errorf("%+v", r)
	}
	if got := n.names(t); len(got) != 20 {
		t.Errorf("members are %q", got)
	}
}

func TestNetworkAPI(t *testing.T) {
	n, err := OpenNetwork(t.TempDir() + "/network")
	must(t, err)
	if list, err := n.Roll(); list != "" || err != nil {
		t.Errorf("%q, %v", list, err)
	}
	invite, err := n.Invite("ana", " sensor,admin,, sensor", uuid.Nil, 30)
	must(t, err)
	ana, err := JoinAt(t.TempDir()+"/ana", invite)
	must(t, err)
	if until := time.Until(ana.MemberUntil()); ana.MemberName() != "ana" || !slices.Equal(ana.Roles(), []string{"admin", "sensor"}) ||
		ana.Network() != n.PublicKey() || until > 720*time.Hour || until < 719*time.Hour {
		t.Errorf("ana is %+v", ana.token)
	}
	if members, err := n.Members(); err != nil || len(members) != 1 || members[0].UUID() != ana.UUID() || members[0].Name() != "ana" ||
		members[0].Revoked() || !members[0].Pending() || !members[0].MemberUntil().Equal(ana.MemberUntil()) || !slices.Equal(members[0].Roles(), ana.Roles()) {
		t.Errorf("members are %v, %v", members, err)
	}
	wants(t, n.Revoke("ben"), api.ErrUnknown)
	must(t, n.Revoke("ana"))
	list, err := n.Roll()
	must(t, err)
	must(t, ana.Adopt(list))
	must(t, ana.Adopt(list+"\n"))
	wants(t, ana.Adopt(list[1:]), ErrMalformed)
	if !ana.Revoked() || !load(t, ana.Directory()).Revoked() {
		t.Error("ana is a member")
	}
	must(t, n.Revoke(ana.UUID().String()))
	memory, err := Open("")
	must(t, err)
	_, err = memory.Pins()
	wants(t, errors.Join(err, memory.Forget("a"), memory.Adopt(list)), api.ErrNoDirectory)
	if memory.MemberName() != "" || memory.Network() != "" || memory.Token() != nil || memory.Directory() != "" {
		t.Error("an identity in memory is a member")
	}
	put(t, string(n.dir), fileMembers, []byte("once-token:AAAA\n"), 0o600)
	_, err = n.Invite("cat", "", uuid.Nil, 1)
	wants(t, err, ErrMalformed)
}
