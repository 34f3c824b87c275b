package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sjohnr/at-once/bindings/go/once/server"
)

// reloads annotates the command that SIGHUP does not end.
const reloads = "once_reloads"

// garbage is how much memory, in percent of what is in use, may wait to be collected: nodes
// are many, and each does little.
const garbage = 10

// served is how a server was asked for.
type served struct {
	*common
	dir, file string
	asJSON    bool
	level     slog.Level
	flags     *pflag.FlagSet
}

func serverCommand(with *common) *cobra.Command {
	s := &served{common: with}
	cmd := &cobra.Command{
		Use:   "server",
		Short: "run a rendezvous server, by which nodes find each other across the internet",
		Long: `Server runs a rendezvous server: nodes that are not on one network find each
other through it. It sees who is there, from where and when, and none of what
they say; what they say to each other goes on without it.

It prints its address, which nodes need. At its first start it also draws a
SECRET, which makes a network of those who have the whole address, and prints
that once: a server does not keep it. once server network draws another.

Each flag can be a line of a file, which --config names: NAME = VALUE, where
lines that begin with # say nothing. A flag has precedence. On SIGHUP the file
is read again, and what is in it holds, but for where the server listens. On
SIGTERM it tells nodes when to come back, and ends. What means nothing without
another setting is an error if that is not given.`,
		Example: `  once server
  once server --listen tcp://*:443 --external once.example.org:443 --relay yes
  once server --config /etc/once/server.conf
  once server status`,
		Args:        cobra.NoArgs,
		Annotations: map[string]string{reloads: "1"},
		RunE:        func(cmd *cobra.Command, _ []string) error { return s.run(cmd.Context()) },
	}
	s.flags = cmd.Flags()
	for _, setting := range server.Settings() {
		usage := setting.Usage
		if setting.Many {
			s.flags.StringArray(setting.Name, nil, usage+standard(setting.Default))
			continue
		}
		s.flags.String(setting.Name, "", usage+standard(setting.Default))
	}
	s.flags.StringVar(&s.file, "config", "", "`FILE` with further settings")
	s.flags.BoolVar(&s.asJSON, "log-json", false, "log in JSON")
	s.flags.TextVar(&s.level, "log-level", slog.LevelInfo, "least `LEVEL` to log: debug, info, warn or error")
	plainly(s.flags, "log-level", "choose one of debug, info, warn, error")
	cmd.PersistentFlags().StringVar(&s.dir, "identity", "", "`DIR` of the server's identity (default: once/server in the user's configuration directory)")
	cmd.AddCommand(s.statusCommand(), &cobra.Command{
		Use:     "network",
		Short:   "tell the running server's address with a new SECRET, which makes a network",
		Example: "  once server network",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return s.network(cmd.Context()) },
	}, &cobra.Command{
		Use:   "rotate",
		Short: "give a server that does not run another key from its next start on",
		Long: `Rotate gives a server another key, which nodes learn when they connect. The
key that it has is served too, so that addresses with it go on, until the next
rotate.`,
		Example: "  once server rotate",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			dir, err := s.directory()
			if err != nil {
				return err
			}
			return server.Rotate(dir)
		},
	})
	return cmd
}

func standard(value string) string {
	if value == "" {
		return ""
	}
	return " (default " + value + ")"
}

func (s *served) directory() (string, error) { return directory("server", s.dir) }

// config returns the settings of the flags, and of the file.
func (s *served) config() (c server.Config, err error) {
	if c.Directory, err = s.directory(); err != nil {
		return c, err
	}
	options := &slog.HandlerOptions{Level: s.level}
	c.Logger = slog.New(slog.NewTextHandler(os.Stderr, options))
	if s.asJSON {
		c.Logger = slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	for _, setting := range server.Settings() {
		flag := s.flags.Lookup(setting.Name)
		if !flag.Changed {
			continue
		}
		values := []string{flag.Value.String()}
		if list, ok := flag.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, value := range values {
			if err := c.Set(setting.Name, value); err != nil {
				return c, usage("%s", strings.Replace(err.Error(), setting.Name, s.typed(setting.Name), 1))
			}
		}
	}
	if s.file != "" {
		err = c.Read(s.file)
	}
	return c, err
}

// run runs a server until ctx ends.
func (s *served) run(ctx context.Context) error {
	config, err := s.config()
	if err != nil {
		return err
	}
	debug.SetGCPercent(garbage)
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	running, err := server.Start(ctx, config)
	if err != nil {
		return err
	}
	defer running.Close()
	if err := sayAddress(running); err != nil {
		return err
	}
	calm := time.NewTicker(calmTime)
	defer calm.Stop()
	for last, freed := 0, 0; ; {
		select {
		case <-calm.C:
			last, freed = giveBack(running.Status().Connections, last, freed)
		case <-hangups:
			s.reload(running, config.Logger)
		case <-ctx.Done():
			config.Logger.Info("the server ends: nodes are told")
			drained, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
			defer cancel()
			if err := running.Drain(drained); err != nil {
				config.Logger.Warn("not all nodes have gone", "error", err)
			}
			return nil
		}
	}
}

// calmTime is how long about as many nodes have to be there as before until memory is given
// back to the system that it took to let them in.
const calmTime = 5 * time.Second

// giveBack gives back memory if as many connections stand now as when it was called last,
// and others than when it has done so last; it returns both numbers.
func giveBack(now, last, freed int) (int, int) {
	differ := func(a, b int) bool { return max(a, b)-min(a, b) > max(a, b)/20 }
	if !differ(now, last) && differ(now, freed) {
		debug.FreeOSMemory()
		freed = now
	}
	return now, freed
}

// sayAddress tells how the server is reached, and of a network if it is new.
func sayAddress(running *server.Server) error {
	address := running.Address()
	if running.Fresh() {
		var err error
		if address, err = server.NewNetwork(address); err != nil {
			return err
		}
		tell("made a server and a network: who has this address is in it; write it down, it is kept nowhere and not shown again")
	}
	if _, err := fmt.Println(address); err != nil || !isTerminal(os.Stdout) {
		return err
	}
	return drawQR(os.Stdout, address)
}

// reload reads the settings again.
func (s *served) reload(running *server.Server, log *slog.Logger) {
	config, err := s.config()
	var later []string
	if err == nil {
		later, err = running.Reload(config)
	}
	if err != nil {
		log.Error("the settings stay as they are", "error", err)
		return
	}
	log.Info("the settings were read again", "when it starts again", later)
}

func (s *served) ask(ctx context.Context) (status server.Status, err error) {
	dir, err := s.directory()
	if err != nil {
		return status, err
	}
	ctx, cancel := context.WithTimeout(ctx, defaultWait)
	defer cancel()
	return server.Ask(ctx, dir)
}

func (s *served) network(ctx context.Context) error {
	status, err := s.ask(ctx)
	if err != nil {
		return err
	}
	address, err := server.NewNetwork(status.Address)
	if err == nil {
		_, err = fmt.Println(address)
	}
	return err
}

func (s *served) statusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "status [--json]",
		Short:   "tell how the running server goes",
		Example: "  once server status\n  once server status --json | jq .peers",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			status, err := s.ask(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(os.Stdout).Encode(status)
			}
			return printStatus(status)
		},
	}
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

func printStatus(s server.Status) error {
	var b strings.Builder
	line := func(name string, value any) { fmt.Fprintf(&b, "%-12s %v\n", name, value) }
	line("address", s.Address)
	line("id", s.ID)
	line("process", fmt.Sprintf("%d, since %s", s.Process, s.Since.Local().Format(time.DateTime)))
	line("connections", s.Connections)
	line("nodes", fmt.Sprintf("%d in %d networks, %d watch", s.Peers, s.Networks, s.Watchers))
	line("circuits", fmt.Sprintf("%d now, %d in all, %d octets", s.Relay.Circuits, s.Relay.Lent, s.Relay.Octets))
	for _, what := range slices.SortedFunc(maps.Keys(s.Counts), cmp.Compare) {
		line(fmt.Sprint(s.Counts[what]), what)
	}
	_, err := os.Stdout.WriteString(b.String())
	return err
}
