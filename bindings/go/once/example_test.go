package once_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// loopback is a configuration for nodes that find each other on this machine
// only, and in this process. Without it they use the local network.
func loopback(name string, groups ...string) once.Config {
	return once.Config{
		Name:       name,
		Groups:     groups,
		Interfaces: []string{"127.0.0.1"},
		BeaconPort: 20000 + os.Getpid()%10000,
		Interval:   100 * time.Millisecond,
	}
}

// Two nodes find each other, and one greets whoever joins its group.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	ana, err := once.Start(ctx, loopback("ana", "room"))
	if err != nil {
		log.Fatal(err)
	}
	defer ana.Close()
	ben, err := once.Start(ctx, loopback("ben", "room"))
	if err != nil {
		log.Fatal(err)
	}
	defer ben.Close()

	for event := range ana.Events(ctx) {
		if e, ok := event.(*once.Join); ok && e.Group == "room" {
			fmt.Println(e.Peer.Name(), "is in the room")
			break
		}
	}
	if _, err := ana.Shout(ctx, "room", []byte("welcome")); err != nil {
		log.Fatal(err)
	}
	for event := range ben.Events(ctx) {
		if e, ok := event.(*once.Shout); ok {
			fmt.Printf("%s says: %s\n", e.Peer.Name(), e.Content[0])
			break
		}
	}
	// Output:
	// ben is in the room
	// ana says: welcome
}

// meet starts two nodes and waits until the first knows the second, and that it is in
// the group if there is one.
func meet(ctx context.Context, groups ...string) (*once.Node, *once.Node) {
	ana, err := once.Start(ctx, loopback("ana", groups...))
	if err != nil {
		log.Fatal(err)
	}
	ben, err := once.Start(ctx, loopback("ben", groups...))
	if err != nil {
		log.Fatal(err)
	}
	for event := range ana.Events(ctx) {
		here := false
		switch e := event.(type) {
		case *once.Enter:
			here = e.Peer.UUID() == ben.UUID() && len(groups) == 0
		case *once.Join: // who enters joins then
			here = e.Peer.UUID() == ben.UUID()
		}
		if here {
			break
		}
	}
	return ana, ben
}

func ExampleNode_Whisper() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ana, ben := meet(ctx)
	defer ana.Close()
	defer ben.Close()

	// A message has any number of frames, of any content.
	if err := ana.Whisper(ctx, ben.UUID(), []byte("temperature"), []byte{21}); err != nil {
		log.Fatal(err)
	}
	for event := range ben.Events(ctx) {
		if e, ok := event.(*once.Whisper); ok {
			fmt.Printf("%s: %s %d\n", e.Peer.Name(), e.Content[0], e.Content[1][0])
			break
		}
	}
	err := ana.Whisper(ctx, ana.UUID(), []byte("to myself"))
	fmt.Println(err, errors.Is(err, once.ErrSelf))
	// Output:
	// ana: temperature 21
	// the peer is this node itself: what it is to hear, its program can tell it true
}

// Ben answers what he is asked, each question in a goroutine of its own.
func ExampleNode_Ask() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ana, ben := meet(ctx)
	defer ana.Close()
	defer ben.Close()

	go func() {
		for event := range ben.Events(ctx) {
			e, ok := event.(*once.Whisper)
			if !ok || e.Question == once.NoQuestion {
				continue
			}
			question, city := e.Question, string(e.Content[0]) // which last longer than the event
			go func() {
				var err error
				if city == "Bern" {
					err = ben.Reply(ctx, question, []byte("21 degrees"))
				} else {
					err = ben.ReplyError(ctx, question, 1, []byte("there is no sensor in "+city))
				}
				if err != nil {
					log.Print(err)
				}
			}()
		}
	}()
	for _, city := range []string{"Bern", "Rome"} {
		answer, err := ana.Ask(ctx, ben.UUID(), []byte(city))
		var none *once.AnswerError
		switch {
		case errors.As(err, &none):
			fmt.Printf("no answer: status %d, %s\n", none.Status, none.Content[0])
		case err != nil: // which says whether ben has the question
			fmt.Println(err)
		default:
			fmt.Printf("%s\n", answer[0])
		}
	}
	// Output:
	// 21 degrees
	// no answer: status 1, there is no sensor in Rome
}

// Ben does not read his events: his node's queue takes the first message, and no more.
func ExampleNode_Flush() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ana, err := once.Start(ctx, loopback("ana"))
	if err != nil {
		log.Fatal(err)
	}
	defer ana.Close()
	config := loopback("ben")
	config.Inbox = 4096
	ben, err := once.Start(ctx, config)
	if err != nil {
		log.Fatal(err)
	}
	defer ben.Close()
	for event := range ana.Events(ctx) {
		if e, ok := event.(*once.Enter); ok && e.Peer.UUID() == ben.UUID() {
			break
		}
	}

	send := func(ctx context.Context) {
		if err := ana.Whisper(ctx, ben.UUID(), make([]byte, 300_000)); err != nil {
			log.Fatal(err)
		}
		var undelivered *once.UndeliveredError
		switch err := ana.Flush(ctx); {
		case errors.As(err, &undelivered):
			for _, missed := range undelivered.Missed {
				fmt.Println(missed.Name, "has not confirmed", missed.Messages, "message:", undelivered.Cause)
			}
		case err != nil:
			log.Fatal(err)
		default:
			fmt.Println("all is confirmed")
		}
	}
	send(ctx)
	soon, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	send(soon)
	// Output:
	// all is confirmed
	// ben has not confirmed 1 message: context deadline exceeded
}

func ExampleNode_Members() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ana, ben := meet(ctx, "room")
	defer ana.Close()
	defer ben.Close()
	for _, p := range ana.Members("room") {
		fmt.Println(p.Name(), p.Groups())
	}
	// Output: ben [room]
}

// A program that shows who is here begins with a snapshot and goes on with the
// events that are not yet in it.
func ExampleNode_Snapshot() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ana, ben := meet(ctx, "room")
	defer ana.Close()
	defer ben.Close()

	view, err := ana.Snapshot()
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range view.Peers() {
		fmt.Println(p.Name(), "is here")
	}
	if err := ben.Join("kitchen"); err != nil {
		log.Fatal(err)
	}
	for event := range ana.Events(ctx) {
		if e, ok := event.(*once.Join); ok && e.Version > view.Version() && e.Group == "kitchen" {
			fmt.Println(e.Peer.Name(), "went to the", e.Group)
			break
		}
	}
	// Output:
	// ben is here
	// ben went to the kitchen
}

func ExampleNode_Connect() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	// Without beacons, a node meets those whose id and endpoint it is given.
	alone := once.Config{Name: "ana", BeaconPort: once.NoBeacon, Endpoint: "tcp://127.0.0.1:*"}
	ana, err := once.Start(ctx, alone)
	if err != nil {
		log.Fatal(err)
	}
	defer ana.Close()
	alone.Name = "ben"
	ben, err := once.Start(ctx, alone)
	if err != nil {
		log.Fatal(err)
	}
	defer ben.Close()

	if err := ana.Connect(ben.UUID(), ben.Endpoint()); err != nil {
		log.Fatal(err)
	}
	event, err := ben.Next(ctx)
	if err != nil {
		log.Fatal(err)
	}
	if e, ok := event.(*once.Enter); ok {
		fmt.Println(e.Peer.Name(), "is here")
	}
	// Output: ana is here
}

func ExampleNode_NextBatch() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ana, ben := meet(ctx)
	defer ana.Close()
	defer ben.Close()
	for i := range byte(100) {
		if err := ana.Whisper(ctx, ben.UUID(), []byte{i}); err != nil {
			log.Fatal(err)
		}
	}
	for sum, seen := 0, 0; seen < 100; {
		batch, err := ben.NextBatch(ctx)
		if err != nil {
			log.Fatal(err)
		}
		for i := range batch.Len() {
			if e, ok := batch.At(i).(*once.Whisper); ok {
				sum += int(e.Content[0][0])
				seen++
			}
		}
		if seen == 100 {
			fmt.Println(sum)
		}
	}
	// Output: 4950
}

func ExampleKeep() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ana, ben := meet(ctx)
	defer ana.Close()
	defer ben.Close()
	for _, word := range []string{"kept", "for", "later"} {
		if err := ana.Whisper(ctx, ben.UUID(), []byte(word)); err != nil {
			log.Fatal(err)
		}
	}
	var kept []*once.Whisper
	for event := range ben.Events(ctx) {
		if _, ok := event.(*once.Whisper); ok {
			kept = append(kept, once.Keep(event).(*once.Whisper))
		}
		if len(kept) == 3 {
			break
		}
	}
	for _, e := range kept {
		fmt.Println(string(e.Content[0]))
	}
	// Output:
	// kept
	// for
	// later
}

// A network is made, and two nodes become members of it. What they say is encrypted,
// and each knows that the other is whom the network has invited.
func ExampleJoinNetwork() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	directory, err := os.MkdirTemp("", "once")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(directory)
	network, err := once.OpenNetwork(filepath.Join(directory, "network"))
	if err != nil {
		log.Fatal(err)
	}
	member := func(name, roles string) *once.Node {
		invite, err := network.Invite(name, roles, uuid.Nil, 365)
		if err != nil {
			log.Fatal(err)
		}
		identity, err := once.JoinNetwork(filepath.Join(directory, name), invite)
		if err != nil {
			log.Fatal(err)
		}
		config := loopback("")
		config.Identity = identity
		node, err := once.Start(ctx, config)
		if err != nil {
			log.Fatal(err)
		}
		return node
	}
	ana, ben := member("ana", "sensor"), member("ben", "")
	defer ana.Close()
	defer ben.Close()

	for event := range ben.Events(ctx) {
		if e, ok := event.(*once.Enter); ok {
			fmt.Println(e.Peer.Name(), e.Peer.Roles(), e.Peer.Protection(), e.Peer.UUID() == ana.UUID())
			break
		}
	}
	// Output:
	// ana [sensor] curve true
}
