//go:build linux

package main

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/client"
	"github.com/sjohnr/at-once/src/sight"
)

// source connects from one address of loopback.
type source struct {
	link.TCP
	from net.IP
}

func (s source) Dial(ctx context.Context, endpoint string) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: -1, LocalAddr: &net.TCPAddr{IP: s.from}}
	dialer.SetMultipathTCP(false)
	return dialer.DialContext(ctx, "tcp", strings.TrimPrefix(endpoint, "tcp://"))
}

// light is a node that does no more than being there.
type light struct {
	*client.Client
	id  uuid.UUID
	end func()
}

// newLight returns a node that does nothing yet, and will be in a group and watch one.
func newLight(address rendezvous.Address, over link.Transport, group, watches string) (*light, error) {
	own, err := identity.New()
	if err == nil {
		_, err = own.Issue(uint64(time.Now().UnixNano()), time.Now())
	}
	if err != nil {
		return nil, err
	}
	return newNode(address, over, own, group, watches, nil), nil
}

// newNode is newLight for an identity, and gives circuits that others ask for to lent.
func newNode(address rendezvous.Address, over link.Transport, own *identity.Identity, group, watches string, lent func(*client.Circuit)) *light {
	return &light{id: own.UUID(), Client: client.New(client.Config{
		Address: address, Identity: own, Transport: over, Linger: time.Second, Log: slog.New(slog.DiscardHandler),
		Random: func(string) float64 { return rand.Float64() }, Count: func(string) {},
		Describe: func() client.Description { return client.Description{Name: "light", Groups: []string{group}} },
		Watched:  func() []string { return []string{watches} },
		Lent:     lent,
	})}
}

// start has the node be there, until end.
func (l *light) start(sighted func(uuid.UUID)) {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = l.Run(ctx, sight.Announcement{}, func(list []sight.Sighting) {
			for _, one := range list {
				sighted(one.ID)
			}
		}) // it ends with ctx only
	}()
	l.end = func() { cancel(); <-over }
}

func (l *light) present() bool { return l.State().Trouble == "" }
