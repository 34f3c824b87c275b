package identity

import (
	"errors"

	"github.com/sjohnr/at-once/generated/go/api"
)

// What is wrong with what somebody shows, for use with errors.Is.
var (
	ErrMalformed = api.ErrMalformed
	ErrForged    = api.ErrForged
	ErrExpired   = api.ErrExpired
	ErrStranger  = api.ErrStranger
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
	ErrInUse   = api.ErrInUse
	ErrMode    = api.ErrMode
	ErrNetwork = api.ErrNetwork
	ErrName    = api.ErrName
	ErrRevoked = api.ErrRevoked
	ErrFull    = errors.New("there is no room for more")
)
