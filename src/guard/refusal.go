package guard

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/zmtp"
)

// Why a node that was seen is none to talk with.
var (
	ErrPlain  = errors.New("it speaks over plain connections, and this node only over encrypted ones: give both the same security")
	ErrSecure = errors.New("it speaks only over encrypted connections, and this node over plain ones: give both the same security")

	ErrNotLetIn = errors.New("this node does not let it in")
	ErrDropped  = errors.New("this node drops what it says")

	errRefused = errors.New("it does not let this node in, and does not say why: it may trust members only")
	ErrUnknown = errors.New("it refuses this node for a reason that this node does not know: it may be of a later version")
)

// ErrIdentity says that a connection is not that of a peer.
var ErrIdentity = errors.New("no peer's identity")

// ErrProof says that a greeting is not by whom its card is of.
var ErrProof = errors.New("the greeting is not signed by the identity: somebody else may have sent it")

// Refusal returns what a peer is told of why it is not let in.
func Refusal(why error) api.EventRefusal {
	is := func(errs ...error) bool {
		return slices.ContainsFunc(errs, func(err error) bool { return errors.Is(why, err) })
	}
	switch {
	case is(identity.ErrTakenBack):
		return api.EventRefusalRevoked
	case is(identity.ErrMoved):
		return api.EventRefusalMoved
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

// said is what a peer has said of why it refuses us.
type said api.EventRefusal

func (s said) Error() string { return api.EventRefusal(s).Text() }

// Why returns why a node is none to talk with, as the application is told it, and whether
// it is this node that refuses. What is not known has not been said.
func (g *Guard) Why(err error) (why api.EventWhy, ours bool) {
	var theirs said
	switch err = g.meant(err); {
	case errors.Is(err, ErrDropped):
		return api.EventWhySealed, true
	case errors.Is(err, ErrNotLetIn):
		return api.EventWhy(Refusal(err)), true
	case errors.As(err, &theirs):
		return api.EventWhy(theirs), false
	case errors.Is(err, ErrPlain), errors.Is(err, ErrSecure):
		return api.EventWhySecurity, errors.Is(err, ErrPlain)
	case errors.Is(err, ErrUnknown):
		return api.EventWhyUnknown, false
	}
	return api.EventWhyUnsaid, false
}

// Said returns what a peer has said of why it refuses us, 0 if that is nothing that we
// know; and the same for people. Its own words are not passed on: they may be anything.
func Said(reason string) (api.EventRefusal, error) {
	for r := api.EventRefusalProof; r.Text() != ""; r++ {
		if r.String() == reason {
			return r, said(r)
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
		r, why := Said(refused.Reason)
		if r == 0 {
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
func NotLetIn(why error) error { return fmt.Errorf("%w: %w", ErrNotLetIn, why) }

// Refuse notes that a node is not talked with, and returns what the application is to be
// told of it: nothing, if it was told of late. What that node is told is not up to it; see
// [Refusal].
func (g *Guard) Refuse(among *Refusals, peer uuid.UUID, why error) string {
	if text := g.meant(why).Error(); among.Tell(peer, text, time.Now()) {
		return text
	}
	return ""
}

// meant returns what a handshake between two mechanisms means.
func (g *Guard) meant(why error) error {
	switch {
	case !errors.Is(why, zmtp.ErrMechanism):
		return why
	case g.Secure:
		return ErrPlain
	}
	return ErrSecure
}

// Knows tells whether it was told of late why a node is none to talk with.
func (g *Guard) Knows(peer uuid.UUID) bool {
	return g.Meetings.knows(peer) || g.Sightings.knows(peer)
}
