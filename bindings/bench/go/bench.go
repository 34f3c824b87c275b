// Package main is what bench.py does, in Go: bench ROLE WHAT COUNT SIZE PORT.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/once"
)

var ctx = context.Background()

// next takes the next event of a type.
func next[T once.Event](node *once.Node) T {
	for {
		event, err := node.Next(ctx)
		if err != nil {
			log.Fatal(err)
		}
		if e, ok := event.(T); ok {
			return e
		}
	}
}

func whisper(node *once.Node, peer uuid.UUID, content ...[]byte) {
	if err := node.Whisper(ctx, peer, content...); err != nil {
		log.Fatal(err)
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		log.Fatal(err)
	}
	return n
}

func main() {
	role, flood, count := os.Args[1], os.Args[2] == "flood", number(os.Args[3])
	octets := make([]byte, number(os.Args[4]))
	node, err := once.Start(ctx, once.Config{
		Name: role, Interfaces: []string{"127.0.0.1"}, BeaconPort: number(os.Args[5]),
		Interval: 100 * time.Millisecond, Security: once.SecurityPlain,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	peer := next[*once.Enter](node).Peer.UUID()
	begin := time.Now()
	switch {
	case role == "b":
		for range count {
			e := next[*once.Whisper](node)
			if !flood {
				whisper(node, peer, e.Content...)
			}
		}
		if flood {
			whisper(node, peer, []byte("all"))
		}
		next[*once.Exit](node)
	case flood:
		for range count {
			whisper(node, peer, octets)
		}
		next[*once.Whisper](node)
		fmt.Printf("%.0f messages/s\n", float64(count)/time.Since(begin).Seconds())
	default:
		var times []time.Duration
		for range count {
			begin := time.Now()
			whisper(node, peer, octets)
			next[*once.Whisper](node)
			times = append(times, time.Since(begin))
		}
		slices.Sort(times)
		fmt.Printf("%.1f us\n", float64(times[count/2].Nanoseconds())/1e3)
	}
}
