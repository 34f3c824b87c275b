// Package main is the driver for Go: driver FILE SCENARIO ROLE PORT DIRECTORY.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/libonce"
	"github.com/sjohnr/at-once/bindings/go/once"
)

// errStarted stands for that Go starts a node as it makes it.
var errStarted = errors.New("started")

// errNames are the names that the models have for errors.
var errNames = map[string]error{
	"argument": once.ErrArgument, "started": errStarted, "no-peer": once.ErrNoPeer, "self": once.ErrSelf,
	"too-large": once.ErrTooLarge, "stopped": once.ErrStopped, "undelivered": once.ErrUndelivered, "in-use": once.ErrInUse,
	"reserved": once.ErrReserved, "timed-out": context.DeadlineExceeded, "answered": once.ErrAnswered,
}

type driver struct {
	config    once.Config
	node      *once.Node
	directory string
	peers     map[string]once.Peer
	last      once.Protection
	question  once.Question
	answered  string
	said      string
	lines     atomic.Int64
}

func frame(word string) []byte {
	kind, value, _ := strings.Cut(word, ":")
	size, _ := strconv.Atoi(value)
	switch kind {
	case "fill":
		octets := make([]byte, size)
		for i := range octets {
			octets[i] = byte(i * 7)
		}
		return octets
	case "long":
		return bytes.Repeat([]byte("x"), size)
	case "hex":
		octets, _ := hex.DecodeString(value)
		return octets
	}
	return []byte(value)
}

func frames(words []string) (list [][]byte) {
	for _, word := range words {
		list = append(list, frame(word))
	}
	return list
}

func (d *driver) make(words []string) error {
	d.config.Name = words[0]
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "security":
			d.config.Security = once.SecuritySecure
			if value == "plain" {
				d.config.Security = once.SecurityPlain
			}
		case "identity":
			identity, err := once.OpenIdentity(filepath.Join(d.directory, value))
			if err != nil {
				return err
			}
			d.config.Identity = identity
		case "header":
			name, content, _ := strings.Cut(value, "=")
			d.config.Headers = map[string]string{name: content}
		case "log":
			d.config.Logger = slog.New(slog.NewTextHandler(failing{&d.lines}, nil))
		}
	}
	return nil
}

// failing counts what it does not write.
type failing struct{ lines *atomic.Int64 }

func (f failing) Write([]byte) (int, error) {
	f.lines.Add(1)
	return 0, errors.New("a handler that fails")
}

func (d *driver) expect(words []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		event, err := d.node.Next(ctx)
		if err != nil {
			return err
		}
		kind, peer, word, content := d.describe(event)
		d.peers[peer.Name()] = peer
		if kind != words[0] || peer.Name() != words[1] {
			continue
		}
		d.last = peer.Protection()
		rest := words[2:]
		if len(rest) > 0 && !strings.Contains(rest[0], ":") {
			if word != rest[0] {
				return fmt.Errorf("it is %s", word)
			}
			rest = rest[1:]
		}
		if !slices.EqualFunc(frames(rest), content, bytes.Equal) {
			return fmt.Errorf("the content is %d other frames", len(content))
		}
		return nil
	}
}

func (d *driver) describe(event once.Event) (kind string, peer once.Peer, word string, content [][]byte) {
	peer = event.About().Peer
	switch e := event.(type) {
	case *once.Enter:
		return "enter", peer, "", nil
	case *once.Exit:
		return "exit", peer, string(e.Reason), nil
	case *once.Join:
		return "join", peer, e.Group, nil
	case *once.Leave:
		return "leave", peer, e.Group, nil
	case *once.Whisper:
		d.question = e.Question
		return "whisper", peer, "", e.Content
	case *once.Shout:
		return "shout", peer, e.Group, e.Content
	}
	return "", peer, "", nil
}

func (d *driver) peer(name string) uuid.UUID {
	switch name {
	case "nobody":
		return uuid.UUID{15: 7}
	case "self":
		return d.node.UUID()
	}
	return d.peers[name].UUID()
}

func same[T comparable](found, wanted T) error {
	if found != wanted {
		return fmt.Errorf("it is %v", found)
	}
	return nil
}

func (d *driver) fails(name string, words []string, timeout time.Duration) error {
	err := d.run(words, timeout)
	wanted := errNames[name]
	if name == "handle" || name == "not-running" { // Go has no handles, and no node that is not started
		if err == nil {
			return errors.New("it did not fail")
		}
		return nil
	}
	if wanted == nil || !errors.Is(err, wanted) {
		return fmt.Errorf("it failed otherwise: %w", err)
	}
	d.said = err.Error()
	return nil
}

// methods fails unless libonce has each method of a list; its functions that need no object
// are called by the package once, which would not compile.
func methods(list string) error {
	text, err := os.ReadFile(list)
	if err != nil {
		return err
	}
	of := map[string]reflect.Type{}
	for _, one := range []any{
		&libonce.Node{}, libonce.Event{}, libonce.Peer{}, &libonce.View{}, libonce.Interface{}, &libonce.Network{},
		libonce.Member{}, &libonce.Identity{}, &libonce.Files{}, libonce.Transfer{}, &libonce.Server{},
	} {
		kind := reflect.TypeOf(one)
		_, name, _ := strings.Cut(kind.String(), ".")
		of["once_"+strings.ToLower(name)] = kind
	}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		kind := of[words[0]]
		if kind == nil || words[2] == "singleton" {
			continue
		}
		name, found := strings.ReplaceAll(words[1], "_", ""), false
		for i := range kind.NumMethod() {
			found = found || strings.EqualFold(kind.Method(i).Name, name)
		}
		if !found {
			return fmt.Errorf("there is no %s", line)
		}
	}
	return nil
}

// wrong starts a node with a setting that is wrong; other mistakes do not compile.
func (d *driver) wrong(argument string) error {
	config := d.config
	switch argument {
	case "security":
		config.Security = 99
	case "port":
		config.BeaconPort = 70000
	case "interval":
		config.Interval = -time.Millisecond
	case "group":
		config.Groups = []string{""}
	case "headers":
		config.Headers = map[string]string{"": ""}
	case "contest":
		config.Contest = []string{""}
	default: // it would not compile
		d.said = argument
		return nil
	}
	_, err := once.Start(context.Background(), config)
	if !errors.Is(err, once.ErrArgument) {
		return fmt.Errorf("it failed otherwise: %w", err)
	}
	if d.said = strings.ToLower(err.Error()); argument == "contest" {
		d.said = strings.ReplaceAll(d.said, argument, "group") // which the class has it called
	}
	return nil
}

func tell(word string) error {
	fmt.Println(word)
	_, err := bufio.NewReader(os.Stdin).ReadString('\n')
	return err
}

// ask asks, and notes the answer.
func (d *driver) ask(ctx context.Context, args []string) error {
	content, err := d.node.Ask(ctx, d.peer(args[0]), frames(args[1:])...)
	status := uint32(0)
	var none *once.AnswerError
	if errors.As(err, &none) {
		status, content, err = none.Status, none.Content, nil
	}
	d.answered = fmt.Sprint(status, " ", content)
	return err
}

// run does what a line says.
func (d *driver) run(words []string, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	for _, does := range []func(context.Context, string, []string) error{d.lives, d.speaks, d.looks} {
		if err := does(ctx, words[0], words[1:]); err != errVerb {
			return err
		}
	}
	switch args := words[1:]; words[0] {
	case "error":
		return d.fails(args[0], args[1:], timeout)
	case "timeout":
		return d.fails("timed-out", args, 100*time.Millisecond)
	}
	return fmt.Errorf("there is no verb %s", words[0])
}

// errVerb says that a verb is of another kind.
var errVerb = errors.New("it is another's verb")

// lives does what begins and ends nodes and processes.
func (d *driver) lives(ctx context.Context, verb string, args []string) error {
	switch verb {
	case "node":
		return d.make(args)
	case "start":
		if d.node != nil {
			return errStarted
		}
		node, err := once.Start(context.Background(), d.config)
		d.node = node
		return err
	case "stop", "close":
		return d.node.Close()
	case "second":
		config := d.config
		identity, err := once.OpenIdentity(filepath.Join(d.directory, args[0]))
		if err != nil {
			return err
		}
		config.Identity = identity
		_, err = once.Start(ctx, config)
		return err
	case "die":
		self, err := os.FindProcess(os.Getpid())
		if err != nil {
			return err
		}
		return self.Kill()
	case "kill", "stall", "awaitstall":
		return tell(verb)
	}
	return errVerb
}

// speaks does what a node says to others.
func (d *driver) speaks(ctx context.Context, verb string, args []string) error {
	switch verb {
	case "flush":
		return d.node.Flush(ctx)
	case "join":
		if strings.Contains(args[0], ":") {
			return d.node.Join(string(frame(args[0])))
		}
		return d.node.Join(args[0])
	case "leave":
		return d.node.Leave(args[0])
	case "sethead":
		return d.node.SetHeader(args[0], args[1])
	case "whisper":
		if d.node == nil {
			return errors.New("it does not run")
		}
		return d.node.Whisper(ctx, d.peer(args[0]), frames(args[1:])...)
	case "nothing": // a frame that is nil is an empty one
		peer, content := d.peer("nobody"), [][]byte{nil}
		switch args[0] {
		case "peer":
			peer = uuid.Nil
		case "content":
			content = nil
		}
		if d.node.Whisper(ctx, peer, content...) == nil {
			return errors.New("it did not fail")
		}
		return nil
	case "ping":
		took, err := d.node.Ping(ctx, d.peer(args[0]))
		if err == nil && took <= 0 {
			return errors.New("it took no time")
		}
		return err
	case "ask":
		return d.ask(ctx, args)
	case "reply":
		status, err := strconv.ParseUint(args[0], 10, 32)
		if err != nil {
			return err
		}
		if status == 0 {
			return d.node.Reply(ctx, d.question, frames(args[1:])...)
		}
		return d.node.ReplyError(ctx, d.question, uint32(status), frames(args[1:])...)
	case "shout":
		_, err := d.node.Shout(ctx, args[0], frames(args[1:])...)
		return err
	}
	return errVerb
}

// looks does what looks at what a node has heard, and at the binding.
func (d *driver) looks(ctx context.Context, verb string, args []string) error {
	switch verb {
	case "recv":
		for {
			if _, err := d.node.Next(ctx); err != nil {
				return err
			}
		}
	case "methods":
		return methods(filepath.Join(filepath.Dir(os.Args[1]), "methods.txt"))
	case "wrong":
		return d.wrong(args[0])
	case "answer":
		return same(d.answered, fmt.Sprint(args[0], " ", frames(args[1:])))
	case "expect":
		return d.expect(args)
	case "peers":
		return same(strconv.Itoa(len(d.node.Peers())), args[0])
	case "own":
		return same(strconv.Itoa(len(d.node.Groups())), args[0])
	case "header":
		return same(d.peers[args[0]].Header(args[1]), strings.Join(args[2:], " "))
	case "protection":
		return same(d.last.String(), args[0])
	case "text":
		return same(d.config.Name, args[1])
	case "message":
		if !strings.Contains(d.said, args[0]) {
			return errors.New(d.said)
		}
		return nil
	case "twice":
		return nil // Node.Next may be called from several goroutines
	case "logged":
		return same(d.lines.Load() > 0, true)
	}
	return errVerb
}

func main() {
	file, scenario, role := os.Args[1], os.Args[2], os.Args[3]
	port, err := strconv.Atoi(os.Args[4])
	if err != nil {
		panic(err)
	}
	d := &driver{peers: map[string]once.Peer{}, directory: os.Args[5], config: once.Config{
		Interfaces: []string{"127.0.0.1"}, BeaconPort: port,
		Interval: 100 * time.Millisecond, Linger: 500 * time.Millisecond,
	}}
	text, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	now := ""
	for line := range strings.Lines(string(text)) {
		words := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		if words[0] == "scenario" {
			now = words[1]
		} else if now == scenario && words[0] == role {
			if err := d.run(words[1:], 30*time.Second); err != nil {
				fmt.Fprintf(os.Stderr, "%s: %s%v\n", scenario, line, err)
				os.Exit(1)
			}
		}
	}
	fmt.Println("done")
}
