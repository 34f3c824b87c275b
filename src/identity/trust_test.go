package identity

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
)

// listed returns whose the names are, as of the latest Check.
func (t *Trust) listed() []Pin {
	t.mu.Lock()
	defer t.mu.Unlock()
	return byName(t.pins)
}

// pinsIn returns whose the names are in a directory.
func pinsIn(dir string) ([]Pin, error) {
	pins, err := directory(dir).pins()
	return byName(pins), err
}

// revoke takes in a roll as it came.
func (t *Trust) revoke(octets []byte) error {
	r, err := ParseRoll(octets)
	if err == nil {
		_, err = t.own.Take(r)
	}
	return err
}

// claim is that of an identity which shows all that it has.
func claim(t testing.TB, i *Identity, name string) Claim {
	t.Helper()
	if i.Card() == nil {
		_, err := i.Issue(1, start)
		must(t, err)
	}
	c := Claim{ID: i.id, Name: name, Card: i.Card(), Key: &i.Card().Transport}
	if i.token != nil {
		c.Token = i.token.octets
	}
	return c
}

func with(c Claim, change func(*Claim)) Claim {
	change(&c)
	return c
}

func trust(t testing.TB, policy api.NodeTrust, own *Identity) *Trust {
	t.Helper()
	tr, err := NewTrust(policy, own)
	must(t, err)
	return tr
}

func TestClaims(t *testing.T) {
	n, others := newNetwork(t), newNetwork(t)
	own, ana, eve := member(t, n, "own"), member(t, n, "ana"), member(t, others, "ana")
	nobody, err := Open("")
	must(t, err)
	zyre := uuid.UUID{9, 6: 0x40, 8: 0x80}
	friend, enemy := [32]byte(nobody.transport.PublicKey().Bytes()), [32]byte{1}
	must(t, os.Mkdir(filepath.Join(own.Directory(), "peers"), 0o700))
	put(t, own.Directory(), "peers/zyre.cert", []byte(nobody.Certificate()), 0o644)
	put(t, own.Directory(), "peers/zyre.cert_secret", []byte("not read"), 0o600)
	full := claim(t, ana, "ana")
	for name, test := range map[string]struct {
		Claim
		after               time.Duration
		open, first, member error // what each policy says
		vouched             bool  // there is a token all the same
	}{
		"a member":                {Claim: full, vouched: true},
		"without a name yet":      {Claim: with(full, func(c *Claim) { c.Name = "" }), vouched: true},
		"without CURVE":           {Claim: with(full, func(c *Claim) { c.Key = nil }), vouched: true},
		"without a card":          {Claim: with(full, func(c *Claim) { c.Card = nil }), open: ErrNoCard, first: ErrNoCard, member: ErrNoCard},
		"an id in plain text":     {Claim: Claim{ID: ana.id}, open: ErrNoCard, first: ErrNoCard, member: ErrNoCard},
		"somebody else's card":    {Claim: with(full, func(c *Claim) { c.ID = zyre }), open: ErrStranger, first: ErrStranger, member: ErrStranger},
		"somebody in between":     {Claim: with(full, func(c *Claim) { c.Key = &enemy }), open: ErrKey, first: ErrKey, member: ErrKey},
		"plain Zyre":              {Claim: Claim{ID: zyre, Name: "zed"}, member: ErrMember},
		"Zyre with a known key":   {Claim: Claim{ID: zyre, Name: "zed", Key: &friend}, member: ErrMember},
		"Zyre with a key":         {Claim: Claim{ID: zyre, Name: "zed", Key: &enemy}, open: ErrNoCard, first: ErrNoCard, member: ErrNoCard},
		"a known key, our id":     {Claim: Claim{ID: ana.id, Key: &friend}, open: ErrNoCard, first: ErrNoCard, member: ErrNoCard},
		"no token":                {Claim: claim(t, nobody, "nobody"), member: ErrMember},
		"another network":         {Claim: claim(t, eve, "eve"), member: ErrMember},
		"another name":            {Claim: with(full, func(c *Claim) { c.Name = "bob" }), member: ErrMember},
		"another's token":         {Claim: with(claim(t, nobody, "ana"), func(c *Claim) { c.Token = full.Token }), member: ErrMember},
		"no token but octets":     {Claim: with(full, func(c *Claim) { c.Token = []byte("token") }), member: ErrMember},
		"an expired token":        {Claim: full, after: time.Hour + skew, member: ErrMember},
		"a token of days to come": {Claim: full, after: -skew - time.Second, member: ErrMember},
	} {
		t.Run(name, func(t *testing.T) {
			for policy, want := range map[api.NodeTrust]error{api.NodeTrustOpen: test.open, api.NodeTrustFirstUse: test.first, api.NodeTrustMembers: test.member} {
				tr := trust(t, policy, own)
				token, err := tr.Check(test.Claim, start.Add(test.after))
				wants(t, err, want)
				if (token != nil) != test.vouched || token != nil && token.Member != test.ID {
					t.Errorf("%s: the token is %+v", policy, token)
				}
				_ = os.Remove(filepath.Join(own.Directory(), filePins))
			}
		})
	}
	for _, policy := range []api.NodeTrust{api.NodeTrustMembers, 0, api.NodeTrustMembers + 1} {
		_, err := NewTrust(policy, nobody)
		if policy == api.NodeTrustMembers {
			wants(t, err, api.ErrMembers)
		} else if err == nil {
			t.Errorf("%d is a policy", policy)
		}
	}
	if got := fmt.Sprint(api.NodeTrustOpen, api.NodeTrustFirstUse, api.NodeTrustMembers); got != "open first use members" {
		t.Errorf("policies are %q", got)
	}
	for i := range maxCertificates {
		must(t, os.Symlink("zyre.cert", filepath.Join(own.Directory(), "peers", fmt.Sprint(i, ".cert"))))
	}
	_, err = NewTrust(api.NodeTrustOpen, own)
	wants(t, err, ErrFull)
}

func TestFirstUse(t *testing.T) {
	kept, err := Open(t.TempDir() + "/kept")
	must(t, err)
	memory, err := Open("")
	must(t, err)
	ids := [3]*Identity{}
	for i := range ids {
		ids[i], err = New()
		must(t, err)
	}
	plain := func(name string) Claim { return Claim{ID: uuid.UUID{7, 6: 0x40, 8: 0x80}, Name: name} }
	for _, own := range []*Identity{kept, memory} {
		tr := trust(t, api.NodeTrustFirstUse, own)
		for _, step := range []struct {
			claim Claim
			err   error
			pins  string
		}{
			{claim(t, ids[0], ""), nil, ""},
			{plain("ana"), nil, ""},
			{claim(t, ids[0], "ana"), nil, "ana=0"},
			{claim(t, ids[0], "ana"), nil, "ana=0"},
			{claim(t, ids[1], "ana"), ErrPinned, "ana=0"},
			{plain("ana"), ErrPinned, "ana=0"},
			{claim(t, ids[1], "ben \"b\"\n"), nil, "ana=0 ben \"b\"\n=1"},
			{claim(t, ids[1], "ana"), ErrPinned, "ana=0 ben \"b\"\n=1"},
			{claim(t, ids[1], "bob"), nil, "ana=0 bob=1"},
			{claim(t, ids[2], "ben \"b\"\n"), nil, "ana=0 ben \"b\"\n=2 bob=1"},
			{plain("zed"), nil, "ana=0 ben \"b\"\n=2 bob=1"},
		} {
			_, err := tr.Check(step.claim, start)
			wants(t, err, step.err)
			if err != nil && !strings.Contains(err.Error(), "once trust forget \"ana\"") {
				t.Errorf("%v does not say what to do", err)
			}
			got := []string{}
			for _, pin := range tr.listed() {
				i := slices.IndexFunc(ids[:], func(i *Identity) bool { return i.id == pin.ID })
				got = append(got, fmt.Sprint(pin.Name, "=", i))
			}
			if strings.Join(got, " ") != step.pins {
				t.Fatalf("pins are %q, want %q", got, step.pins)
			}
			if own == kept {
				tr = trust(t, api.NodeTrustFirstUse, load(t, own.Directory()))
			}
		}
	}
	if pins, err := kept.Pins(); err != nil || len(pins) != 3 || pins["ana"] != ids[0].id.String() {
		t.Errorf("pins are %q, %v", pins, err)
	}
}

// TestForget: a trust takes note of what another process does to its files.
func TestForget(t *testing.T) {
	n := newNetwork(t)
	own := member(t, n, "own")
	tr := trust(t, api.NodeTrustFirstUse, own)
	ana, eve := member(t, n, "ana"), member(t, n, "eve")
	check := func(c Claim, want error) {
		t.Helper()
		_, err := tr.Check(c, start)
		wants(t, err, want)
	}
	for _, who := range []string{"ana", ana.id.String(), strings.ToUpper(ana.id.String())} {
		check(claim(t, ana, "ana"), nil)
		check(claim(t, eve, "ana"), ErrPinned)
		must(t, own.Forget(who))
		check(claim(t, eve, "ana"), nil)
		check(claim(t, ana, "ana"), ErrPinned)
		must(t, os.Remove(filepath.Join(own.Directory(), filePins)))
	}
	wants(t, own.Forget("nobody"), api.ErrUnknown)
	check(claim(t, ana, "ana"), nil)
	put(t, own.Directory(), filePins, []byte("torn"), 0o600)
	for range 2 {
		check(claim(t, ana, "ana"), ErrMalformed)
	}
	must(t, os.Remove(filepath.Join(own.Directory(), filePins)))
	must(t, os.Chmod(own.Directory(), 0o777))
	check(claim(t, ana, "ana"), ErrMode)
	must(t, os.Chmod(own.Directory(), 0o700))
	check(claim(t, eve, "ana"), nil)
}

// TestPinsTorn: a name of which only a part was written is none, whatever part it is,
// and in nobody's way. A file that has grown full of names that were changed shrinks.
func TestPinsTorn(t *testing.T) {
	dir, _ := filled(t)
	own, file := load(t, dir), filepath.Join(dir, filePins)
	whole := get(t, dir, filePins)
	ana := claim(t, own, "ana")
	check := func(pins int) {
		t.Helper()
		_, err := trust(t, api.NodeTrustFirstUse, own).Check(ana, start)
		must(t, err)
		if got, err := pinsIn(dir); err != nil || len(got) != pins || !slices.ContainsFunc(got, func(p Pin) bool { return p.Name == "ana" }) {
			t.Fatalf("pins are %v, %v", got, err)
		}
	}
	for n := range whole {
		put(t, dir, filePins, whole[:n], 0o600)
		check(1)
		put(t, dir, filePins, slices.Concat([]byte("\"bob\" 00000000-0000-0000-0000-000000000001 2023-11-14T22:13:20Z\n"), whole[:n]), 0o600)
		check(2)
	}
	line := Pin{strings.Repeat("n", 250), own.id, start, false}.line()
	put(t, dir, filePins, []byte(strings.Repeat(line, maxFile/len(line))), 0o600)
	check(1)
	if info, err := os.Stat(file); err != nil || info.Size() > 100 {
		t.Errorf("%+v, %v", info, err)
	}
}

func TestRevoked(t *testing.T) {
	n, others := newNetwork(t), newNetwork(t)
	own, ana := member(t, n, "own"), member(t, n, "ana")
	tr := trust(t, api.NodeTrustMembers, own)
	check := func(want error) {
		t.Helper()
		for _, tr := range []*Trust{tr, trust(t, api.NodeTrustMembers, load(t, own.Directory()))} {
			_, err := tr.Check(claim(t, ana, "ana"), start)
			wants(t, err, want)
		}
	}
	check(nil)
	none, err := n.revoke(uuid.UUID{6: 0x80, 8: 0x80}, start)
	must(t, err)
	list, err := n.revoke(ana.id, start)
	must(t, err)
	must(t, tr.revoke(list.octets))
	check(ErrMember)
	must(t, tr.revoke(none.octets)) // which is older
	check(ErrMember)
	foreign, err := others.revoke(ana.id, start)
	must(t, err)
	wants(t, tr.revoke(foreign.octets), ErrNetwork)
	wants(t, tr.revoke(nil), ErrMalformed)
	invite, _, err := n.invite("ana", nil, ana.id, time.Hour, start.Add(time.Second))
	must(t, err)
	_, err = joinAt(ana.Directory(), invite, start)
	must(t, err)
	ana = load(t, ana.Directory())
	check(nil)
	list, err = n.revoke(ana.id, start.Add(time.Minute))
	must(t, err)
	must(t, load(t, own.Directory()).Adopt(list.Text())) // by another process
	check(ErrMember)
	put(t, own.Directory(), fileRoll, []byte(foreign.Text()), 0o600)
	check2 := func(want error) {
		_, err := tr.Check(claim(t, ana, "ana"), start)
		wants(t, err, want)
	}
	check2(ErrNetwork)
	memory, err := New()
	must(t, err)
	wants(t, trust(t, api.NodeTrustOpen, memory).revoke(list.octets), ErrNetwork)
}

// TestPinsAtOnce: two trusts of one directory lose nothing of what the other writes.
func TestPinsAtOnce(t *testing.T) {
	own, err := Open(t.TempDir() + "/own")
	must(t, err)
	trusts := []*Trust{trust(t, api.NodeTrustFirstUse, own), trust(t, api.NodeTrustFirstUse, load(t, own.Directory()))}
	var all sync.WaitGroup
	for i := range 20 {
		c := Claim{ID: uuid.UUID{byte(i)}, Name: fmt.Sprint(i % 10), Card: &Card{ID: uuid.UUID{byte(i)}}}
		all.Go(func() { _, _ = trusts[i%2].Check(c, start) })
	}
	all.Wait()
	pins, err := pinsIn(own.Directory())
	if must(t, err); len(pins) != 10 {
		t.Errorf("pins are %v", pins)
	}
	for _, pin := range pins {
		if fmt.Sprint(pin.ID[0]%10) != pin.Name || !pin.Seen.Equal(start) {
			t.Errorf("%+v", pin)
		}
	}
}

func TestPinsFull(t *testing.T) {
	own, err := Open(t.TempDir() + "/own")
	must(t, err)
	pins := make(map[string]Pin)
	for i := range maxPins {
		name := fmt.Sprintf("%d %s", i, strings.Repeat("n", 100))
		pins[name] = Pin{name, uuid.UUID{byte(i >> 8), byte(i)}, start, true}
	}
	must(t, own.dir.locked(func() error { return own.dir.keep(pins) }))
	tr := trust(t, api.NodeTrustFirstUse, own)
	one := uuid.UUID{14: 1}
	_, err = tr.Check(Claim{ID: one, Name: "one more", Card: &Card{ID: one}}, start)
	wants(t, err, ErrFull)
	_, err = tr.Check(Claim{ID: uuid.UUID{}, Name: "renamed", Card: &Card{}}, start)
	must(t, err)
	if len(tr.listed()) != maxPins {
		t.Errorf("there are %d pins", len(tr.listed()))
	}
	long := Claim{ID: one, Name: strings.Repeat("\x00", 255), Card: &Card{ID: one}}
	var lines strings.Builder
	for i := 0; lines.Len()+len(Pin{long.Name, one, start, false}.line()) <= maxFile; i++ {
		lines.WriteString(Pin{fmt.Sprint(i, strings.Repeat("\x00", 240)), uuid.UUID{byte(i >> 8), byte(i)}, start, false}.line())
	}
	put(t, own.Directory(), filePins, []byte(lines.String()), 0o600)
	for range 2 {
		_, err = tr.Check(long, start)
		wants(t, err, ErrFull)
	}
}

// TestMadeUpNames has identities that nobody needs take names: so many are noted an hour.
func TestMadeUpNames(t *testing.T) {
	own, err := Open(t.TempDir() + "/own")
	must(t, err)
	tr := trust(t, api.NodeTrustFirstUse, own)
	taken := func(from, many int, now time.Time) (names int) {
		for n := range many {
			id := uuid.UUID{1, byte((from + n) >> 8), byte(from + n)}
			switch _, err := tr.Check(Claim{ID: id, Name: fmt.Sprint(from + n), Card: &Card{ID: id}}, now); {
			case err == nil:
				names++
			case !errors.Is(err, ErrFull):
				t.Fatal(err)
			}
		}
		return names
	}
	if got := taken(0, maxNotes+100, start); got != maxNotes {
		t.Errorf("%d names are noted in an hour", got)
	}
	if got := taken(maxNotes, 100, start.Add(time.Hour)); got != 100 {
		t.Errorf("%d names are noted an hour later", got)
	}
	if pins, err := pinsIn(own.Directory()); err != nil || len(pins) != maxNotes+100 {
		t.Errorf("%d names are in the file, %v", len(pins), err)
	}
}

// TestNamesNobodyUses fills the room with names. Those go that nobody has used again, the
// oldest first; one that was stays its id's.
func TestNamesNobodyUses(t *testing.T) {
	own, err := Open(t.TempDir() + "/own")
	must(t, err)
	tr := trust(t, api.NodeTrustFirstUse, own)
	check := func(id uuid.UUID, name string, now time.Time) error {
		_, err := tr.Check(Claim{ID: id, Name: name, Card: &Card{ID: id}}, now)
		return err
	}
	ana := uuid.UUID{15: 1}
	must(t, check(ana, "ana", start))
	must(t, check(ana, "ana", start.Add(longAfter)))
	pins, err := own.dir.pins()
	must(t, err)
	for i := len(pins); i < maxPins; i++ {
		name := fmt.Sprint(i)
		pins[name] = Pin{name, uuid.UUID{1, byte(i >> 8), byte(i)}, start.Add(time.Duration(i) * time.Second), false}
	}
	must(t, own.dir.locked(func() error { return own.dir.keep(pins) }))
	now := start.Add(24 * time.Hour)
	must(t, check(uuid.UUID{15: 2}, "ben", now))
	wants(t, check(uuid.UUID{15: 3}, "ana", now), ErrPinned)
	must(t, check(ana, "ana", now))
	tr = trust(t, api.NodeTrustFirstUse, load(t, own.Directory()))
	wants(t, check(uuid.UUID{15: 3}, "ben", now), ErrPinned)
	first, last := fmt.Sprint(1), fmt.Sprint(maxPins-1)
	if _, old := tr.pins[first]; old || tr.pins[last].Name != last || !tr.pins["ana"].Again || len(tr.pins) != maxPins-maxPins/evicted+1 {
		t.Errorf("%d names are left", len(tr.pins))
	}
}
