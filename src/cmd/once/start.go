package main

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sjohnr/at-once/bindings/go/once"
)

const defaultWait = 5 * time.Second

// begin takes what the user has given a command, on its line or in the environment.
func (c *common) begin(cmd *cobra.Command) error {
	c.given = cmd.Flags().Changed
	c.typed = func(flag string) string { return asTyped(cmd, flag) }
	c.explain = func(err error) string { return explain(cmd, err) }
	if err := environment(cmd); err != nil {
		return err
	}
	return c.serversOf(cmd)
}

func (c *common) register(flags *pflag.FlagSet) {
	c.settingFlags(flags)
	flags.TextVar(&c.logLevel, "log-level", slog.LevelWarn, "least `LEVEL` to log: debug, info, warn or error")
	plainly(flags, "log-level", "choose one of debug, info, warn, error")
}

// start starts a node that is in groups and logs to w.
func (c *common) start(ctx context.Context, w io.Writer, groups ...string) (*once.Node, error) {
	config := &c.config
	config.Groups, config.Headers = groups, map[string]string{}
	for _, pair := range c.header {
		key, value, found := strings.Cut(pair, "=")
		if !found || key == "" {
			return nil, usage("%s %q: give K=V", c.typed("header"), cut(pair, cellWidth))
		}
		config.Headers[key] = value
	}
	if err := c.identify(); err != nil {
		return nil, err
	}
	config.BeaconPort = int(c.port)
	switch {
	case !c.given("port"):
		config.BeaconPort = 0 // gossip, if there is any, is to replace beacons
	case c.port == 0:
		config.BeaconPort = once.NoBeacon
	}
	config.Logger = slog.New(c.logHandler(w))
	node, err := c.startNode(ctx, w)
	if err != nil {
		return nil, toldError{err, c.explain(err)}
	}
	return node, nil
}

// logHandler writes the log to w, but for the moves of machines if they are wanted apart.
func (c *common) logHandler(w io.Writer) slog.Handler {
	text := slog.NewTextHandler(w, &slog.HandlerOptions{Level: c.logLevel})
	if c.moves == nil {
		return text
	}
	return moveHandler{text, c.moves}
}

// somebodyNew returns the same for a node beside one that runs with the identity, which
// may also have the endpoints that were asked for. Only open trust takes no membership.
func (c *common) somebodyNew() *common {
	other := *c
	other.identity, other.config.Trust = nobody, once.TrustOpen
	other.config.Endpoint, other.config.Advertise, other.config.GossipBind = "", "", ""
	if other.config.Security == 0 && c.config.Identity.Network() != "" {
		other.config.Security = once.SecuritySecure
	}
	return &other
}
