package link

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	machine "github.com/sjohnr/at-once/generated/go/handshakemachine"
	"github.com/sjohnr/at-once/src/zmtp"
)

// Config is what a link is opened with. A number that is zero stands for the
// default.
type Config struct {
	Type       string        // our socket type: zmtp.Dealer or zmtp.Router
	Identity   []byte        // at most 255 octets, the first not zero; may be empty
	MaxMessage int           // octets of content in one message, all frames; default 16 MiB
	MaxFrames  int           // frames in one message; default 1024
	Greeting   int           // octets of content in one message, of few frames, until Widen is called; 0 is MaxMessage
	Outbox     int           // octets that may wait to be written; default 1 MiB
	Sum        *Sum          // that what waits counts in, with that of other links; nil for none
	Reserve    int           // further octets, for ReserveControl; default 64 KiB
	Handshake  time.Duration // the longest that Open may take; default as in the model
	Heartbeat  time.Duration // silence after which the far side is asked for a sign of life; 0 is never
	Pool       *Pool         // where buffers come from; default is a pool that all links share
	Greeted    bool          // the far side has had [Greet]
	Held       bool          // what is said first goes out together, with the end of the handshake; see [Link.Release]
	Curve      *zmtp.Curve   // our side of the CURVE mechanism; nil is NULL, without security
	// Refused is told by Serve what the far side says with ERROR on an open link, where it
	// does not end the link: whoever has said it closes it, or not. With nil it does, and
	// Serve returns a zmtp.RefusedError.
	Refused func(reason string)
	// Properties are what else the far side is told in the handshake. With CURVE they
	// are encrypted, and a server tells them only to a client that has told some too.
	// See [Link.TakeProperties].
	Properties map[string][]byte
}

// complete puts the defaults in place of zeros.
func (c *Config) complete() error {
	switch {
	case c.Type != zmtp.Dealer && c.Type != zmtp.Router:
		return fmt.Errorf("link: no socket type %q", c.Type)
	case len(c.Identity) > zmtp.MaxIdentity || len(c.Identity) > 0 && c.Identity[0] == 0:
		return errors.New("link: identity is longer than 255 octets or begins with zero")
	case c.MaxMessage < 0 || c.MaxFrames < 0 || c.Greeting < 0 || c.Outbox < 0 || c.Reserve < 0 || c.Handshake < 0 || c.Heartbeat < 0:
		return errors.New("link: negative limit")
	}
	if c.Curve != nil {
		if err := c.Curve.Check(); err != nil {
			return err
		}
	}
	c.limits()
	return nil
}

// limits puts the defaults in place of limits that are zero.
func (c *Config) limits() {
	c.MaxMessage = cmp.Or(c.MaxMessage, 16<<20)
	c.MaxFrames = cmp.Or(c.MaxFrames, 1024)
	c.Outbox = cmp.Or(c.Outbox, 1<<20)
	c.Reserve = cmp.Or(c.Reserve, 64<<10)
	c.Handshake = cmp.Or(c.Handshake, machine.DefaultHandshake)
	c.Pool = cmp.Or(c.Pool, &shared)
}
