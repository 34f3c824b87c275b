package identity

import (
	"errors"

	"github.com/sjohnr/at-once/generated/go/api"
)

// What is wrong with what somebody shows, for use with errors.Is.
var (
	ErrMalformed = errors.New("malformed")
	ErrForged    = errors.New("the signature is not right")
	ErrExpired   = errors.New("not valid at this time: look at the clocks of both sides")
	ErrStranger  = errors.New("of another identity")
)

// Why somebody is not believed.
var (
	ErrNoCard = errors.New("no card: who has such an id or key must show one, or have a certificate here")
	ErrKey    = errors.New("the connection's key is not the card's: somebody stands in between")
	ErrPinned = errors.New("the name belongs to somebody else")
	ErrMember = errors.New("not a member of our network")
)

// What keeps files from being read or written.
var (
	ErrExists  = api.ErrExists
	ErrMode    = api.ErrMode
	ErrNetwork = api.ErrNetwork
	ErrName    = api.ErrName
	ErrFull    = errors.New("there is no room for more")
)
