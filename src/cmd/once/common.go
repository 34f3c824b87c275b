package main

import (
	"log/slog"

	"github.com/spf13/pflag"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// common holds the flags that all commands share that start a node.
type common struct {
	config   once.Config
	header   []string // K=V
	port     uint16
	identity string         // directory, or empty
	brief    bool           // the command ends by itself, and soon
	as       *once.Identity // who the node is, whatever identity says; nil if that says it
	logLevel slog.Level
	moves    *moves // of the node's machines go here; nil if they go to the log

	// Set by begin.
	given   func(flag string) bool   // tells whether the user has given a flag
	typed   func(flag string) string // returns how
	explain func(err error) string   // returns what the user is told of an error
}

// identityFlag is for commands that have to do with an identity.
func (c *common) identityFlag(flags *pflag.FlagSet, usage string) {
	flags.StringVar(&c.identity, "identity", "", usage)
}

// gossips tells whether the node finds others by gossip.
func (c *common) gossips() bool { return c.config.GossipBind != "" || len(c.config.GossipConnect) > 0 }

// beacons tells whether the node has beacons: gossip, if there is any, replaces those that
// were not asked for.
func (c *common) beacons() bool {
	return c.port != 0 && (!c.gossips() || c.given("port"))
}
