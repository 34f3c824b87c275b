package guard

import (
	"errors"
	"fmt"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/zmtp"
)

// Why a node that was seen is none to talk with.
var (
	ErrPlain  = errors.New("it speaks over plain connections, and this node only over encrypted ones: give both the same security")
	ErrSecure = errors.New("it speaks only over encrypted connections, and this node over plain ones: give both the same security")

	errRefused = errors.New("it does not let this node in, and does not say why: it may trust members only")
	ErrUnknown = errors.New("it refuses this node for a reason that this node does not know: it may be of a later version")
)

// Refusal returns what a peer is told of why it is not let in.
func Refusal(why error) api.EventRefusal {
	is := func(errs ...error) bool {
		for _, err := range errs {
			if errors.Is(why, err) {
				return true
			}
		}
		return false
	}
	switch {
	case is(identity.ErrMember): // whatever is wrong with the token
		return api.EventRefusalMember
	case is(identity.ErrPinned):
		return api.EventRefusalName
	case is(identity.ErrExpired):
		return api.EventRefusalExpired
	case is(ErrProof, ErrIdentity, identity.ErrMalformed, identity.ErrForged, identity.ErrStranger, identity.ErrKey, identity.ErrNoCard):
		return api.EventRefusalProof
	}
	return api.EventRefusalFault
}

// Said returns what a peer has said of why it refuses us, 0 if that is nothing that we
// know; and the same for people. Its own words are not passed on: they may be anything.
func Said(reason string) (api.EventRefusal, error) {
	for r := api.EventRefusalProof; r.Text() != ""; r++ {
		if r.String() == reason {
			return r, errors.New(r.Text())
		}
	}
	return 0, ErrUnknown
}

// Reason returns why a handshake failed if that tells that the far side cannot or will
// not talk with us, else nil.
func Reason(err error) error {
	var refused *zmtp.RefusedError
	switch {
	case errors.As(err, &refused):
		said, why := Said(refused.Reason)
		if said == 0 {
			return errRefused
		}
		return why
	case errors.Is(err, zmtp.ErrMechanism):
		return err
	}
	return nil
}

// Speaks tells whether who is refused for a reason can say over a connection who it is.
func Speaks(why error) bool {
	return !errors.Is(why, ErrPlain) && !errors.Is(why, ErrSecure) && !errors.Is(why, zmtp.ErrMechanism)
}

// NotLetIn says who refuses whom.
func NotLetIn(why error) error { return fmt.Errorf("this node does not let it in: %w", why) }
