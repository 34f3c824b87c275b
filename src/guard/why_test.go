package guard

import (
	"errors"
	"fmt"
	"testing"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/zmtp"
)

// TestWhy tells of each reason whose it is.
func TestWhy(t *testing.T) {
	_, unknown := Said("because")
	for _, test := range []struct {
		err    error
		secure bool
		want   api.EventWhy
		ours   bool
	}{
		{ErrPlain, true, api.EventWhySecurity, true},
		{ErrSecure, false, api.EventWhySecurity, false},
		{zmtp.ErrMechanism, true, api.EventWhySecurity, true},
		{zmtp.ErrMechanism, false, api.EventWhySecurity, false},
		{errRefused, false, api.EventWhyUnsaid, false},
		{errors.New("it ends each connection"), false, api.EventWhyUnsaid, false},
		{unknown, false, api.EventWhyUnknown, false},
		{fmt.Errorf("%w to group %q", ErrDropped, "room"), false, api.EventWhySealed, true},
		{NotLetIn(identity.ErrMember), false, api.EventWhyMember, true},
		{NotLetIn(identity.ErrPinned), false, api.EventWhyName, true},
		{NotLetIn(identity.ErrExpired), false, api.EventWhyExpired, true},
		{NotLetIn(ErrProof), false, api.EventWhyProof, true},
		{NotLetIn(errors.New("the disk is full")), false, api.EventWhyFault, true},
	} {
		g := &Guard{Secure: test.secure}
		if why, ours := g.Why(test.err); why != test.want || ours != test.ours {
			t.Errorf("%v: %v, ours %v, want %v, %v", test.err, why, ours, test.want, test.ours)
		}
	}
	for r := api.EventRefusalProof; r.String() != ""; r++ { // what is said is told under the same name
		_, err := Said(r.String())
		if why, ours := new(Guard).Why(err); ours || why.String() != r.String() {
			t.Errorf("%v is told as %v, ours %v", r, why, ours)
		}
	}
}
