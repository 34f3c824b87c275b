package client

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	serving "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/sight"
)

// untold is for how long a twin is not told again.
const untold = time.Hour

// twins are other nodes that have this node's identity. Of two the server tells together.
type twins struct {
	*Config
	lookUp    func(context.Context, uuid.UUID) (*Peer, error)
	introduce func(context.Context, uuid.UUID) (*Meeting, error)
	outshone  time.Time // when one was told last that has started later; under the lock of the client
}

// tell has the twin learn of this node: it has started later, so that the server tells of it
// alone, and an introduction goes to it. Nobody is met: it is there if it says so.
func (t *twins) tell(ctx context.Context, at *rendezvous.Address) (there bool) {
	_, err := t.introduce(ctx, t.Identity.UUID())
	t.Log.Debug("a twin was told", "server", at, "answer", err)
	no := new(RefusedError)
	return errors.As(err, &no) && no.Reason == serving.ReasonUnwilling
}

// find returns the twin if it is there: if it has signed a record in a later life than this
// node's, and answers. Where none is to be told, nobody is there.
func (t *twins) find(ctx context.Context, at *rendezvous.Address, own uint64, tell bool) *Peer {
	twin, err := t.lookUp(ctx, t.Identity.UUID())
	if err != nil || !tell || twin.Record.Incarnation <= own || !t.tell(ctx, at) {
		return nil
	}
	return twin
}

// twinAt returns the sight of another node that has an id: where the server has seen it, but for
// the address that it observes this node at.
func twinAt(id uuid.UUID, seen []string, observed string) sight.Sighting {
	one := sight.Sighting{ID: id}
	for _, at := range seen {
		if e, err := sight.Parse("tcp://" + at); err == nil && at != observed {
			one.Endpoint = e
			break
		}
	}
	return one
}
