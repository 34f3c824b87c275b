package guard

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/identity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// with returns what protects a node, as it is told.
func with(t testing.TB, c Config) *Guard {
	t.Helper()
	if c.Identity == nil {
		c.Identity = must(identity.New())(t)
	}
	if c.Wall == nil {
		c.Wall = time.Now
	}
	c.Plain, c.Log, c.Warn = uuid.New(), slog.New(slog.DiscardHandler), func(text string) { t.Error(text) }
	g := must(New(c))(t)
	t.Cleanup(g.Release)
	return g
}

// member returns what protects a member of a network.
func member(t testing.TB, network *identity.Network, name string, security api.NodeSecurity) *Guard {
	t.Helper()
	invite := must(network.Invite(name, "sensor", uuid.Nil, 30))(t)
	return with(t, Config{Identity: must(identity.JoinAt(t.TempDir(), invite))(t), Security: security})
}
