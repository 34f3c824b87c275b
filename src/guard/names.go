package guard

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/zmtp"
)

// nameOf returns the name that the far side of a handshake has shown, or nothing.
func nameOf(shown map[string][]byte) string {
	name := shown[strings.ToLower(PropertyName)]
	if len(name) > zremsg.MaxHelloName {
		return ""
	}
	return string(name)
}

// maxNames is how many names are kept. When there are more, all are forgotten.
const maxNames = 1024

// Names are what nodes have called themselves, before they have greeted or instead of
// that, so that who is refused can be told by name. Nothing proves them.
type Names struct {
	mu    sync.Mutex
	of    map[uuid.UUID]string
	added chan struct{} // closed when there is another one
}

func newNames() *Names { return &Names{of: map[uuid.UUID]string{}, added: make(chan struct{})} }

// Note keeps the name of a node, if it has shown one.
func (n *Names) Note(peer uuid.UUID, name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if name == "" || n.of[peer] == name {
		return
	}
	if len(n.of) >= maxNames {
		clear(n.of)
	}
	n.of[peer] = name
	close(n.added)
	n.added = make(chan struct{})
}

// Forget forgets the name of a node that is known by another way.
func (n *Names) Forget(peer uuid.UUID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if delete(n.of, peer); len(n.of) == 0 {
		n.of = map[uuid.UUID]string{} // what held those of a crowd never shrinks
	}
}

// note keeps the name that the far side of a handshake has shown.
func (n *Names) note(peer uuid.UUID, m *zmtp.Metadata) {
	n.Note(peer, nameOf(m.Others))
}

// Of returns the name of a node, or nothing, and what is closed when there is another one.
func (n *Names) Of(peer uuid.UUID) (string, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.of[peer], n.added
}

// Wait returns the name of a node. If there is none it waits for it, but not for long.
func (n *Names) Wait(ctx context.Context, peer uuid.UUID, most time.Duration) string {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for {
		name, added := n.Of(peer)
		if name != "" {
			return name
		}
		select {
		case <-added:
		case <-ctx.Done():
			return ""
		}
	}
}
