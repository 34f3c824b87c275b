package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sjohnr/at-once/bindings/go/once"
)

const (
	defaultWait = 5 * time.Second
	maxMessage  = defaultMaxMessage - 1<<10 // octets of content; with its header, less than nodes take
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

// plain is a flag whose error says what to give, and not what failed to read it.
type plain struct {
	pflag.Value
	want string
}

func (p plain) Set(text string) error {
	if p.Value.Set(text) != nil {
		return errors.New(p.want)
	}
	return nil
}

// plainly has a flag say what it wants when it is given something else.
func plainly(flags *pflag.FlagSet, name, want string) {
	flag := flags.Lookup(name)
	flag.Value = plain{flag.Value, want}
}

// identityFlag is for commands that have to do with an identity.
func (c *common) identityFlag(flags *pflag.FlagSet, usage string) {
	flags.StringVar(&c.identity, "identity", "", usage)
}

// gossips tells whether the node finds others by gossip.
func (c *common) gossips() bool { return c.config.GossipBind != "" || len(c.config.GossipConnect) > 0 }

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

// beacons tells whether the node has beacons: gossip, if there is any, replaces those that
// were not asked for.
func (c *common) beacons() bool {
	return c.port != 0 && (!c.gossips() || c.given("port"))
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

// word is a flag whose value is one of those that an enumeration has from 1 on.
type word[T interface {
	~uint8
	String() string
}] struct{ value *T }

func (w word[T]) String() string { return (*w.value).String() }
func (w word[T]) Type() string   { return "word" }

func (w word[T]) Set(text string) error {
	var words []string
	for v := T(1); v.String() != ""; v++ {
		name := strings.ReplaceAll(v.String(), " ", "-")
		if name == text {
			*w.value = v
			return nil
		}
		words = append(words, name)
	}
	return fmt.Errorf("choose one of %s", strings.Join(words, ", "))
}

// waiting is a flag for how long something takes: to wait, who does not wait meets nobody.
type waiting struct{ wait *time.Duration }

func (w waiting) String() string {
	if w.wait == nil || *w.wait == 0 { // pflag asks a zero one too
		return ""
	}
	return w.wait.String()
}
func (w waiting) Type() string { return "duration" }

func (w waiting) Set(text string) error {
	wait, err := time.ParseDuration(text)
	if err != nil || wait <= 0 {
		return errors.New("give a time above 0, such as 500ms or 5s")
	}
	*w.wait = wait
	return nil
}

func waitFlag(flags *pflag.FlagSet, wait *time.Duration, standard time.Duration, usage string) {
	timeFlag(flags, wait, "wait", standard, usage)
}

func timeFlag(flags *pflag.FlagSet, wait *time.Duration, name string, standard time.Duration, usage string) {
	*wait = standard
	flags.Var(waiting{wait}, name, usage)
}

// counting is a flag for how many there are to be, at least one; 0 stands for no limit.
type counting struct{ count *uint64 }

func (c counting) String() string {
	if c.count == nil || *c.count == 0 { // pflag asks a zero one too
		return ""
	}
	return strconv.FormatUint(*c.count, 10)
}
func (c counting) Type() string { return "number" }

func (c counting) Set(text string) error {
	count, err := strconv.ParseUint(text, 10, 64)
	if err != nil || count == 0 {
		return errors.New("give a number from 1 on")
	}
	*c.count = count
	return nil
}

// within is a flag for a number that has limits.
type within struct {
	value       *int
	least, most int
}

func (w within) String() string {
	if w.value == nil || *w.value == 0 { // pflag asks a zero one too
		return ""
	}
	return strconv.Itoa(*w.value)
}
func (w within) Type() string { return "number" }

func (w within) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < w.least || n > w.most {
		return fmt.Errorf("give a number from %d to %d", w.least, w.most)
	}
	*w.value = n
	return nil
}

// checkName fails if what a flag or an argument gives can be the name of no group or peer.
func checkName(what, text string) error {
	if len(text) == 0 || len(text) > maxName { // groups have the limit of nodes
		return usage("%s %q: %d octets given, 1 to %d allowed", what, cut(text, cellWidth), len(text), maxName)
	}
	return nil
}

// What flags are annotated with: the variable that has given it, and, by cobra, groups of
// flags of which only one can be given.
const (
	fromEnvironment = "once_variable"
	exclusive       = "cobra_annotation_mutually_exclusive"
)

// variableOf returns the environment variable that can give a flag.
func variableOf(flag *pflag.Flag) string {
	return "ONCE_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
}

// environment sets the flags of a command from ONCE_* variables that the command line does
// not set, or exclude. A variable that is empty counts as not set.
func environment(cmd *cobra.Command) (err error) {
	flags := cmd.Flags()
	flags.VisitAll(func(f *pflag.Flag) {
		text := os.Getenv(variableOf(f))
		if f.Changed || f.Name == "help" || f.Name == "version" || text == "" || err != nil || excluded(flags, f) {
			return
		}
		must(flags.SetAnnotation(f.Name, fromEnvironment, []string{variableOf(f)}))
		values := []string{text}
		if f.Value.Type() == "stringArray" {
			values = separate(text)
		}
		for _, value := range values {
			if fault := flags.Set(f.Name, value); fault != nil && err == nil {
				err = badFlag(cmd, fault)
			}
		}
	})
	return err
}

// separate returns the values that commas separate. The hosts in an address of a server are not.
func separate(text string) (values []string) {
	for _, part := range strings.Split(text, ",") {
		n := len(values) - 1
		if n >= 0 && strings.HasPrefix(values[n], "once://") && !strings.Contains(values[n], "?") {
			values[n] += "," + part
		} else {
			values = append(values, part)
		}
	}
	return values
}

// excluded tells whether the command line has a flag that goes not together with another.
func excluded(flags *pflag.FlagSet, other *pflag.Flag) bool {
	return slices.ContainsFunc(other.Annotations[exclusive], func(group string) bool {
		return slices.ContainsFunc(strings.Fields(group), func(name string) bool {
			f := flags.Lookup(name)
			return f.Changed && len(f.Annotations[fromEnvironment]) == 0
		})
	})
}
