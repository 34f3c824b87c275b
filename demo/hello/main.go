// Hello greets whoever joins its group, and prints what is said there.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/sjohnr/at-once/bindings/go/once"
)

func main() {
	ctx := context.Background()
	node, err := once.Start(ctx, once.Config{Name: "hello", Groups: []string{"room"}})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()

	for event := range node.Events(ctx) {
		switch e := event.(type) {
		case *once.Join:
			err := node.Whisper(ctx, e.Peer.UUID(), []byte("welcome to "+e.Group))
			fmt.Println(e.Peer.Name(), "joined", e.Group, err)
		case *once.Shout:
			fmt.Printf("%s: %s\n", e.Peer.Name(), e.Content[0])
		case *once.Exit:
			fmt.Println(e.Peer.Name(), "is gone:", e.Reason)
		}
	}
}
