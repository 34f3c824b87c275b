package guard

import (
	"bytes"
	"context"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/identity"
)

// TestNames keeps no more names than there may be, and waits for one no longer than it may.
func TestNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names, ana := newNames(), uuid.New()
		for i := range 3 * maxNames {
			names.Note(uuid.New(), strconv.Itoa(i))
		}
		if len(names.of) > maxNames {
			t.Errorf("%d names are kept", len(names.of))
		}
		names.Note(ana, "")
		start := time.Now()
		if name := names.Wait(t.Context(), ana, time.Second); name != "" || time.Since(start) != time.Second {
			t.Errorf("%q after %v", name, time.Since(start))
		}
		ended, end := context.WithCancel(t.Context())
		end()
		if name := names.Wait(ended, ana, time.Hour); name != "" {
			t.Errorf("%q after the end", name)
		}
		time.AfterFunc(time.Second, func() { names.Note(uuid.New(), "ben") })
		time.AfterFunc(2*time.Second, func() { names.Note(ana, "ana") })
		start = time.Now()
		if name := names.Wait(t.Context(), ana, time.Hour); name != "ana" || time.Since(start) != 2*time.Second {
			t.Errorf("%q after %v", name, time.Since(start))
		}
	})
}

// TestUnnamed: a member dials under no name and no role, and only those whom it lets in are
// told its name in the handshake; in a greeting it says both.
func TestUnnamed(t *testing.T) {
	network := must(identity.OpenNetwork(t.TempDir()))(t)
	ana := member(t, network, "ana", api.NodeSecuritySecure)
	finds := func(shown map[string][]byte, what string) (found bool) {
		for _, value := range shown {
			found = found || bytes.Contains(value, []byte(what))
		}
		return found
	}
	dials, answers := ana.Properties(true), ana.Introduction(true)
	if finds(dials, "ana") || finds(dials, "sensor") || finds(answers, "sensor") || !finds(answers, "ana") {
		t.Errorf("it dials with %q, and answers with %q", dials, answers)
	}
	var hello zremsg.Hello
	ana.Present(&hello, ana.ID, new(Nonces), NewChallenge(), nil, false)
	shown := must(shownIn(&hello, ana.ID, nil))(t)
	if token := must(identity.ParseToken(shown.claim.Token, time.Now()))(t); token.Name != "ana" || !slices.Equal(token.Roles, []string{"sensor"}) {
		t.Errorf("it greets with %+v", token)
	}
}
