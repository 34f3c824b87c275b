package once_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/sjohnr/at-once/bindings/go/once"
	"github.com/sjohnr/at-once/bindings/go/once/server"
)

// Two nodes that no network joins find each other by a server. When that is gone, they go on.
func Example_acrossTheInternet() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	var config server.Config // once server does the same
	if err := config.Set("listen", "tcp://127.0.0.1:*"); err != nil {
		log.Fatal(err)
	}
	host, err := server.Start(ctx, config)
	if err != nil {
		log.Fatal(err)
	}
	address, err := server.NewNetwork(host.Address()) // whoever has it is in the network
	if err != nil {
		log.Fatal(err)
	}

	far := func(name string) *once.Node {
		config := loopback(name, "room")
		config.BeaconPort = once.NoBeacon
		config.Servers = []string{address}
		node, err := once.Start(ctx, config)
		if err != nil {
			log.Fatal(err)
		}
		return node
	}
	ana, ben := far("ana"), far("ben")
	defer ana.Close()
	defer ben.Close()
	for event := range ana.Events(ctx) {
		if e, ok := event.(*once.Join); ok {
			fmt.Println(e.Peer.Name(), "is in the", e.Group)
			break
		}
	}
	host.Close()
	if _, err := ana.Shout(ctx, "room", []byte("we go on")); err != nil {
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
	// ana says: we go on
}
