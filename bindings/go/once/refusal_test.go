package once_test

import (
	"testing"
	"testing/synctest"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/once"
	"github.com/sjohnr/at-once/bindings/go/once/oncetest"
)

// TestRefusalsHaveCodes has nodes refuse each other, and looks at what a program can
// switch on: why, and which of the two refuses.
func TestRefusalsHaveCodes(t *testing.T) {
	office, err := once.OpenNetwork(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	invite, err := office.Invite("ana", "", uuid.Nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	member, err := once.JoinNetwork(t.TempDir(), invite)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name     string
		ana, ben once.Config
		why      once.Why
		ours     [2]bool // of ana, of ben
	}{
		{"security", once.Config{Security: once.SecuritySecure}, once.Config{Security: once.SecurityPlain}, once.WhySecurity, [2]bool{true, false}},
		{"member", once.Config{Identity: member}, once.Config{Security: once.SecuritySecure}, once.WhyMember, [2]bool{true, false}},
		{"sealed", once.Config{Groups: []string{"vault"}, Sealed: []string{"vault"}}, once.Config{Security: once.SecurityPlain, Groups: []string{"vault"}}, once.WhySealed, [2]bool{true, false}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := oncetest.New(t, 5)
				var nodes [2]*once.Node
				for i, config := range []once.Config{test.ana, test.ben} {
					config.Name = []string{"ana", "ben"}[i]
					if nodes[i], err = once.Start(network.Host([]string{"10.0.0.1", "10.0.0.2"}[i]).Context(), config); err != nil {
						t.Fatal(err)
					}
				}
				if test.why == once.WhySealed {
					for len(nodes[1].Members("vault")) == 0 {
						if _, err := nodes[1].Next(t.Context()); err != nil {
							t.Fatal(err)
						}
					}
					if _, err := nodes[1].Shout(t.Context(), "vault", []byte("psst")); err != nil {
						t.Fatal(err)
					}
				}
				for i, n := range nodes {
					for {
						event, err := n.Next(t.Context())
						if err != nil {
							t.Fatal(err)
						}
						if e, ok := event.(*once.Refusal); ok {
							if e.Why != test.why || e.Ours != test.ours[i] || e.Peer.Protection() != once.ProtectionNone {
								t.Errorf("node %d: %v, ours %v, %v: %v", i, e.Why, e.Ours, e.Peer.Protection(), e)
							}
							break
						}
					}
				}
			})
		})
	}
}
