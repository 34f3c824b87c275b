// Command gyrenode is a gyre node in a process of its own, since gyre panics when
// a peer surprises it. It takes commands from standard input until that ends, and
// tells events on standard output; see package interop for both.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sjohnr/at-once/src/interop"
	"github.com/zeromq/gyre"
)

var types = map[gyre.EventType]string{
	gyre.EventEnter: "enter", gyre.EventExit: "exit", gyre.EventJoin: "join",
	gyre.EventLeave: "leave", gyre.EventShout: "shout", gyre.EventWhisper: "whisper",
}

func main() {
	name := flag.String("name", "", "the node's name, and its header X-NAME")
	device := flag.String("interface", "lo", "where to send and hear beacons")
	port := flag.Int("port", 5670, "UDP port of the beacons")
	flag.Parse()
	if err := run(*name, *device, *port); err != nil {
		fmt.Fprintln(os.Stderr, "gyrenode:", err)
		os.Exit(1)
	}
}

func run(name, device string, port int) error {
	node, err := gyre.New()
	if err != nil {
		return err
	}
	err = errors.Join(
		node.SetInterface(device),
		node.SetPort(port),
		node.SetInterval(50*time.Millisecond),
		node.SetName(name),
		node.SetHeader("X-NAME", "%s", name),
		node.Start())
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(interop.Event{Type: "ready", Peer: node.UUID(), Name: name}); err != nil {
		return err
	}
	obeyed := make(chan error, 1)
	go func() { obeyed <- obey(node, json.NewDecoder(os.Stdin)) }()
	for {
		select {
		case err := <-obeyed:
			if late := node.Stop(); late != nil { // gyre gives itself only 20 ms
				fmt.Fprintln(os.Stderr, "gyrenode:", late)
			}
			return err
		case e := <-node.Events():
			err := out.Encode(interop.Event{Type: types[e.Type()], Peer: e.Sender(), Name: e.Name(),
				Addr: e.Addr(), Group: e.Group(), Headers: e.Headers(), Content: e.Msg()})
			if err != nil {
				return err
			}
		}
	}
}

// obey carries out commands until there are no more.
func obey(node *gyre.Gyre, in *json.Decoder) error {
	do := map[string]func(c interop.Command) error{
		"join":    func(c interop.Command) error { return node.Join(c.To) },
		"leave":   func(c interop.Command) error { return node.Leave(c.To) },
		"shout":   func(c interop.Command) error { return node.Shout(c.To, c.Content) },
		"whisper": func(c interop.Command) error { return node.Whisper(c.To, c.Content) },
	}
	for {
		var c interop.Command
		switch err := in.Decode(&c); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case do[c.Do] == nil:
			return fmt.Errorf("unknown command %q", c.Do)
		}
		if err := do[c.Do](c); err != nil {
			return err
		}
	}
}
