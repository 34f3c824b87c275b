package main

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// lookAround is how long a shell that completes a name waits until somebody is found.
const lookAround = time.Second

// completer offers a shell what an argument or a flag can be, as cobra has it.
type completer = cobra.CompletionFunc

// completeAll says what the arguments and flags of all commands can be.
func completeAll(root *cobra.Command, with *common) {
	peers := with.around(peerChoice)
	arguments := map[string]completer{
		"once whisper":        first(peers, cobra.ShellCompDirectiveNoFileComp),
		"once trust forget":   first(with.pinned, cobra.ShellCompDirectiveNoFileComp),
		"once revoke":         first(invited, cobra.ShellCompDirectiveNoFileComp),
		"once network rename": first(invited, cobra.ShellCompDirectiveNoFileComp),
		"once send":           first(peers, cobra.ShellCompDirectiveDefault),
	}
	groups := with.around(func(node *once.Node) []string { return slices.DeleteFunc(node.PeerGroups(), unfit) })
	flags := map[string]completer{
		"group": groups, "sealed": groups, "contest": groups,
		"interface": interfaceNames,
		"type":      cobra.FixedCompletions(eventTypes, cobra.ShellCompDirectiveNoFileComp),
		"log-level": cobra.FixedCompletions([]string{"debug", "info", "warn", "error"}, cobra.ShellCompDirectiveNoFileComp),
		"identity":  profileNames, "into": directories, "network": directories,
		"from": peers,
	}
	for rest := []*cobra.Command{root}; len(rest) > 0; rest = rest[1:] {
		cmd := rest[0]
		rest = append(rest, cmd.Commands()...)
		switch choose := arguments[cmd.CommandPath()]; {
		case choose != nil:
			cmd.ValidArgsFunction = choose
		case cmd.ValidArgsFunction == nil && strings.Contains(cmd.Use, "DIR"):
			cmd.ValidArgsFunction = directories
		case cmd.ValidArgsFunction == nil:
			cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
		for _, set := range []*pflag.FlagSet{cmd.LocalNonPersistentFlags(), cmd.PersistentFlags()} {
			set.VisitAll(func(flag *pflag.Flag) {
				choose := flags[flag.Name]
				if words, _ := pflag.UnquoteUsage(flag); choose == nil && strings.Contains(words, "|") {
					choose = cobra.FixedCompletions(strings.Split(words, "|"), cobra.ShellCompDirectiveNoFileComp)
				} else if choose == nil {
					choose = cobra.NoFileCompletions
				}
				must(cmd.RegisterFlagCompletionFunc(flag.Name, choose))
			})
		}
	}
}

// first completes the first argument of a command, which is somebody, and says what the others
// are. If the command line names a group, there is none.
func first(somebody completer, others cobra.ShellCompDirective) completer {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 || cmd.Flags().Changed("group") {
			return nil, others
		}
		return somebody(cmd, args, begun)
	}
}

func directories(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// profileNames offers profiles, and somebody new to a command that starts a node; files where none
// fits.
func profileNames(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	records, err := profileRecords()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	if cmd.Flags().Lookup("interface") != nil {
		names = append(names, cobra.CompletionWithDesc(nobody, "somebody new"))
	}
	for _, r := range records {
		names = append(names, cobra.CompletionWithDesc(r.Profile, cmp.Or(r.Name, r.ID)))
	}
	return names, cobra.ShellCompDirectiveDefault
}

func interfaceNames(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	interfaces, err := once.Interfaces()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names := map[string]bool{}
	for _, i := range interfaces {
		names[i.Name()] = true
	}
	return slices.Sorted(maps.Keys(names)), cobra.ShellCompDirectiveNoFileComp
}

// around returns what offers a choice of what a node, as the flags have it, finds around it.
// It waits for nobody for long, makes no identity, and says nothing: a shell shows what it is
// offered, and what is typed.
func (c *common) around(choice func(*once.Node) []string) completer {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		node, err := c.lookout(cmd)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		defer node.Close()
		somebody := func() bool { return len(node.Peers()) > 0 }
		silent := func(once.Event) error { return nil }
		if err := await(cmd.Context(), node, lookAround, somebody, silent); err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp // nobody is there
		}
		return choice(node), cobra.ShellCompDirectiveNoFileComp
	}
}

// lookout starts a node with the flags of a command, or shares the one that runs: with the
// identity that they name if that is there and can be used, else as somebody new.
func (c *common) lookout(cmd *cobra.Command) (*once.Node, error) {
	if err := c.begin(cmd); err != nil {
		return nil, err
	}
	c.brief = true
	node, err := c.start(cmd.Context(), io.Discard)
	if errors.Is(err, once.ErrInUse) || errors.Is(err, fs.ErrNotExist) {
		node, err = c.somebodyNew().start(cmd.Context(), io.Discard)
	}
	return node, err
}

// peerChoice offers the peers of a node.
func peerChoice(node *once.Node) []string { return choiceOf(knownPeers(node.Peers())) }

// choiceOf offers names, or ids in place of names that a shell might take for something else.
func choiceOf(all []known) (choice []string) {
	for _, k := range all {
		name, about := k.label(all), k.at
		if name == k.shown() {
			name = k.name
		}
		if unfit(name) {
			name, about = k.digits(all), strings.Map(fit, k.shown())+" "+k.at
		}
		choice = append(choice, cobra.CompletionWithDesc(name, strings.TrimSpace(about)))
	}
	return choice
}

// unfit tells whether a name may be something else to a shell, of which each has its own
// rules: what the network says is not to be obeyed.
func unfit(name string) bool {
	return name == "" || strings.HasPrefix(name, "-") || strings.ContainsFunc(name, func(r rune) bool { return fit(r) != r })
}

// fit returns a character, or a question mark for one that may mean something to a shell.
func fit(r rune) rune {
	if unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r) || strings.ContainsRune(" ._+@()-", r) {
		return r
	}
	return '?'
}

// invited offers the members of the network that a command is for.
func invited(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	if err := environment(cmd); err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	network, err := load("network", once.LoadNetwork, cmd.Flag("network").Value.String())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	all, err := knownMembers(network)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return choiceOf(all), cobra.ShellCompDirectiveNoFileComp
}

// pinned offers the names that an identity trusts since their first use.
func (c *common) pinned(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	err := c.begin(cmd)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	who, err := load(profileKind, once.LoadIdentity, c.identity)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	all, err := knownPins(who)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return choiceOf(all), cobra.ShellCompDirectiveNoFileComp
}
