package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// command is what a line that begins with / asks for.
type command struct {
	usage string // the command's name and arguments
	help  string
	run   func(c *chat, ctx context.Context, args string) error
	names func(*once.Node) []string // that can follow it, or nil
}

func (c command) name() string {
	name, _, _ := strings.Cut(c.usage, " ")
	return name
}

func commands() []command {
	return []command{
		{"/whisper NAME TEXT", "tell one peer, by its name or id; 4 digits will do", (*chat).whisper, peerNames},
		{"/peers", "list who is on the network", (*chat).listPeers, nil},
		{"/groups", "list your groups and those of others", (*chat).listGroups, nil},
		{"/join GROUP", "join a group and talk to it from now on", (*chat).join, (*once.Node).PeerGroups},
		{"/leave [GROUP]", "leave a group; the one you talk to if none is named", (*chat).leave, (*once.Node).Groups},
		{"/help", "list this; a line that begins with // is sent with one /", (*chat).help, nil},
		{"/quit", "say goodbye", func(*chat, context.Context, string) error { return errQuit }, nil},
	}
}

// obey does what a line says, or shouts it to the group.
func (c *chat) obey(ctx context.Context, entered typed) error {
	line := entered.text
	if entered.said {
		// It is no command, whatever it begins with.
	} else if text, found := strings.CutPrefix(line, "//"); found {
		line = "/" + text
	} else if strings.HasPrefix(line, "/") {
		name, args, _ := strings.Cut(line, " ")
		for _, command := range commands() {
			if command.name() == name {
				err := command.run(c, ctx, strings.TrimSpace(args))
				if isUsage(err) { // of the line, not of the program
					err = errors.New(err.Error())
				}
				return err
			}
		}
		return fmt.Errorf("no command %q: /help lists them", name)
	}
	switch {
	case line == "":
		return nil
	case c.group == "":
		return errors.New("you are in no group: /join one first")
	}
	return members(c.node, c.group).send(ctx, []byte(line))
}

func (c *chat) whisper(ctx context.Context, args string) error {
	who, text, err := firstWord(args)
	switch {
	case err != nil:
		return fmt.Errorf(`%w: /whisper "NAME WITH BLANKS" TEXT`, err)
	case text == "":
		return errors.New("say to whom and what: /whisper NAME TEXT")
	}
	for _, peer := range c.node.Peers() { // no whisper may go to Ana that is for Ana Maria
		if name := peer.Name(); strings.Contains(name, " ") && strings.HasPrefix(args+" ", name+" ") {
			return fmt.Errorf("put the name in quotes, whether it is %s or %s: nothing was sent", strconv.Quote(who), strconv.Quote(name))
		}
	}
	return someone(c.node, who).send(ctx, []byte(text))
}

// oneName returns the name that arguments are: all of them, or what is in quotes.
func oneName(args string) (string, error) {
	if !strings.HasPrefix(args, `"`) {
		return args, nil
	}
	name, rest, err := firstWord(args)
	if err == nil && rest != "" {
		err = errors.New("leave out what follows the closing quote")
	}
	return name, err
}

func (c *chat) listPeers(context.Context, string) error {
	peers := c.node.Peers()
	if len(peers) == 0 {
		return c.note("nobody else is here")
	}
	return printPeers(c, c.terminal, false, false, peerRecords(peers, c.node.Known()))
}

func (c *chat) listGroups(context.Context, string) error {
	return errors.Join(
		c.note("your groups: %s", clean(strings.Join(c.node.Groups(), ", "))),
		c.note("groups of others: %s", clean(strings.Join(c.node.PeerGroups(), ", "))))
}

func (c *chat) join(_ context.Context, args string) error {
	group, err := oneName(args)
	if err != nil {
		return err
	}
	if group == "" {
		return errors.New("say which: /join GROUP")
	}
	if err := checkName("group", group); err != nil {
		return err
	}
	if err := c.node.Join(group); err != nil {
		return err
	}
	c.setGroup(group)
	here := []string{"nobody"}
	for i, peer := range c.node.Members(group) {
		here = append(here[:i], c.label(peer))
	}
	return c.note("you are in %s; others there: %s", clean(group), strings.Join(here, ", "))
}

func (c *chat) leave(_ context.Context, args string) error {
	group, err := oneName(args)
	if err != nil {
		return err
	}
	if group == "" {
		group = c.group
	}
	if group == "" {
		return errors.New("you are in no group")
	}
	if err := c.node.Leave(group); err != nil {
		return err
	}
	if rest := c.node.Groups(); len(rest) > 0 && group == c.group {
		c.setGroup(rest[0])
	} else if group == c.group {
		c.setGroup("")
	}
	return c.note("you left %s", clean(group))
}

func (c *chat) help(context.Context, string) error {
	var b strings.Builder
	for _, command := range commands() {
		fmt.Fprintf(&b, "  %-19s %s\n", command.usage, command.help)
	}
	b.WriteString(helpMore)
	_, err := io.WriteString(c, b.String())
	return err
}

// helpMore is what /help tells beside the commands.
const helpMore = `A NAME with blanks is in quotes. Tab completes commands, names and groups.
What protects the words of a peer is said once, and whenever it changes:
  (sealed)  encrypted from end to end: only you and the peer can read them
  (curve)   encrypted on the connection between you and the peer
  (plain)   not at all: who is on the network can read and change them, and
            what you say to the peer; that is repeated with each message
`
