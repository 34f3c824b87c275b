package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/sjohnr/at-once/bindings/go/once"
)

const (
	defaultPort = 5670
	defaultWait = 5 * time.Second
	maxMessage  = 64<<20 - 1<<10 // octets of content; with its header, less than the 64 MiB that nodes take
	maxName     = 255            // octets of the name of a group or a node, as package once has it
)

// common holds the flags that all commands share that start a node.
type common struct {
	name       string
	headers    []string // K=V
	interfaces []string
	port       uint16
	endpoint   string
	advertise  string
	bind       string
	contest    []string
	servers    []string
	identity   string         // directory, or empty
	who        *once.Identity // that of the directory, once the node has started
	security   once.Security
	trust      once.Trust
	sealed     []string      // groups
	greeting   time.Duration // what a node has to be met, zero for the default
	logLevel   slog.Level
	given      func(flag string) bool // tells whether the user has given a flag; set when the command begins
}

func (c *common) register(flags *pflag.FlagSet) {
	flags.StringVar(&c.name, "name", "", "public `NAME` of this node (default: six digits of its id)")
	flags.StringArrayVar(&c.headers, "header", nil, "what peers are told of this node, as `K=V`; may be repeated")
	flags.StringArrayVar(&c.interfaces, "interface", nil,
		"`NAME-or-IP` of a network interface to use; may be repeated (default: all that are up)")
	flags.Uint16Var(&c.port, "port", defaultPort, "UDP `PORT` of beacons, the same for all who want to meet; 0 for none, which is the default with gossip")
	flags.StringVar(&c.endpoint, "endpoint", "",
		"where to accept connections, as `tcp://ADDRESS:PORT`; the port may be * or FROM-TO")
	flags.StringVar(&c.advertise, "advertise", "",
		"where others can reach this node, as `tcp://ADDRESS:PORT`, if not where it accepts connections; beacons do not tell it")
	flags.StringVar(&c.bind, "gossip-bind", "", "accept gossip at `tcp://ADDRESS:PORT`: who connects is told of the others")
	flags.StringArrayVar(&c.servers, "gossip-connect", nil,
		"find others by gossip with the node bound at `tcp://ADDRESS:PORT`; may be repeated")
	c.identityFlag(flags, "who this node is, as kept in `DIR`, which is made if it is missing (default: somebody new each time)")
	flags.Var(word[once.Security]{&c.security}, "security",
		"`plain|auto|secure`: encrypt nothing; content, for who can open it; or all connections (default auto; secure for a member)")
	flags.Var(word[once.Trust]{&c.trust}, "trust",
		"`open|first-use|members`: let in anybody; a name with the id it first had; or members of the network (default open; members for a member)")
	flags.StringArrayVar(&c.sealed, "sealed", nil, "`GROUP` in which nothing is said or heard that is not encrypted; may be repeated")
	flags.TextVar(&c.logLevel, "log-level", slog.LevelWarn, "least `LEVEL` to log: debug, info, warn or error")
	plainly(flags, "port", "give a number from 0 to 65535")
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

// contestFlag is for commands that stay in groups.
func (c *common) contestFlag(flags *pflag.FlagSet) {
	flags.StringArrayVar(&c.contest, "contest", nil,
		"`GROUP` to join and to lead, if no other member that contests has a lower id; may be repeated")
}

// gossips tells whether the node finds others by gossip.
func (c *common) gossips() bool { return c.bind != "" || len(c.servers) > 0 }

// start starts a node that is in groups and logs to w.
func (c *common) start(ctx context.Context, w io.Writer, groups ...string) (*once.Node, error) {
	if err := c.checkNames(groups); err != nil {
		return nil, err
	}
	headers := map[string]string{}
	for _, pair := range c.headers {
		key, value, found := strings.Cut(pair, "=")
		if !found || key == "" {
			return nil, fmt.Errorf("header %q: %w: give K=V", pair, once.ErrArgument)
		}
		headers[key] = value
	}
	if c.identity != "" {
		var err error
		if c.who, err = once.OpenIdentity(c.identity); err != nil {
			return nil, err
		}
	}
	port := int(c.port)
	switch {
	case !c.given("port"):
		port = 0 // gossip, if there is any, is to replace beacons
	case port == 0:
		port = once.NoBeacon
	}
	return once.Start(ctx, once.Config{
		Name:          c.name,
		Groups:        groups,
		Contest:       c.contest,
		Headers:       headers,
		Identity:      c.who,
		Security:      c.security,
		Trust:         c.trust,
		Sealed:        c.sealed,
		Interfaces:    c.interfaces,
		GossipConnect: c.servers,
		BeaconPort:    port,
		Endpoint:      c.endpoint,
		Advertise:     c.advertise,
		GossipBind:    c.bind,
		Greeting:      c.greeting,
		Logger:        slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: c.logLevel})),
	})
}

// checkNames fails if a flag gives what can be no name. That of the node may be empty.
func (c *common) checkNames(groups []string) error {
	if c.name != "" {
		if err := checkName("name", c.name); err != nil {
			return err
		}
	}
	for what, names := range map[string][]string{"group": groups, "contest": c.contest, "sealed": c.sealed} {
		for _, name := range names {
			if err := checkName(what, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// beacons tells whether the node has beacons: gossip, if there is any, replaces those that
// were not asked for.
func (c *common) beacons() bool {
	return c.port != 0 && (c.bind == "" && len(c.servers) == 0 || c.given("port"))
}

// somebodyNew returns the same for a node beside one that runs with the identity, which
// may also have the endpoints that were asked for. Only open trust takes no membership.
func (c *common) somebodyNew() *common {
	other := *c
	other.identity, other.who, other.trust = "", nil, once.TrustOpen
	other.endpoint, other.advertise, other.bind = "", "", ""
	if other.security == 0 && c.who.Network() != "" {
		other.security = once.SecuritySecure
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

// waiting is a flag for how long to wait. Who does not wait meets nobody.
type waiting struct{ wait *time.Duration }

func (w waiting) String() string {
	if w.wait == nil { // pflag asks a zero one too
		return ""
	}
	return w.wait.String()
}
func (w waiting) Type() string { return "duration" }

func (w waiting) Set(text string) error {
	wait, err := time.ParseDuration(text)
	if err != nil || wait <= 0 {
		return errors.New("wait for more than 0, such as 500ms or 5s")
	}
	*w.wait = wait
	return nil
}

func waitFlag(flags *pflag.FlagSet, wait *time.Duration, standard time.Duration, usage string) {
	*wait = standard
	flags.Var(waiting{wait}, "wait", usage)
}

// checkName fails if what a flag or an argument gives can be the name of no group or peer.
func checkName(what, text string) error {
	if len(text) == 0 || len(text) > maxName {
		return fmt.Errorf("%s %q: %w: %d octets given, 1 to %d allowed", what, cut(text, cellWidth), once.ErrArgument, len(text), maxName)
	}
	return nil
}

func jsonFlag(flags *pflag.FlagSet, asJSON *bool) {
	flags.BoolVar(asJSON, "json", false, "write JSON, an object a line")
}

// environment sets the flags that the command line does not from ONCE_*
// variables. A variable that is empty counts as not set.
func environment(flags *pflag.FlagSet) (err error) {
	flags.VisitAll(func(f *pflag.Flag) {
		variable := "ONCE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		text := os.Getenv(variable)
		if f.Changed || f.Name == "help" || text == "" || err != nil {
			return
		}
		values := []string{text}
		if f.Value.Type() == "stringArray" {
			values = strings.Split(text, ",")
		}
		for _, value := range values {
			if fault := flags.Set(f.Name, value); fault != nil {
				err = fmt.Errorf("environment variable %s: %w", variable, fault)
			}
		}
	})
	return err
}
