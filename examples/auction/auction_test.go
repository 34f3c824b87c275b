package auction_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/once"
	"github.com/sjohnr/at-once/bindings/go/once/oncetest"
	"github.com/sjohnr/at-once/examples/auction"
)

// notes are what the nodes of a test end with, by name.
type notes struct {
	mu      sync.Mutex
	ids     map[string]uuid.UUID
	results map[string]auction.Result
	errors  map[string]error
}

// run runs a node on a host, and notes how it ends.
func (n *notes) run(name string, do func(context.Context, *once.Node) (auction.Result, error)) func(context.Context) error {
	return func(ctx context.Context) error {
		node, err := once.Start(ctx, once.Config{Name: name, Groups: []string{auction.Group}, Security: once.SecurityPlain})
		if err != nil {
			return err
		}
		n.mu.Lock()
		n.ids[name] = node.UUID()
		n.mu.Unlock()
		result, err := do(ctx, node)
		n.mu.Lock()
		n.results[name], n.errors[name] = result, err
		n.mu.Unlock()
		return node.Close()
	}
}

func bids(most uint32) func(context.Context, *once.Node) (auction.Result, error) {
	return func(ctx context.Context, node *once.Node) (auction.Result, error) {
		return auction.Bid(ctx, node, "clock", most)
	}
}

func sells(ctx context.Context, node *once.Node) (auction.Result, error) {
	return auction.Sell(ctx, node, "clock", 10, 3*time.Second)
}

// Who gives most has the lot, for one more than the other gives, and all know; whoever comes late
// may bid.
func TestAuction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := oncetest.New(t, 1)
		network.SetLine(oncetest.Line{Delay: 5 * time.Millisecond})
		n := &notes{ids: map[string]uuid.UUID{}, results: map[string]auction.Result{}, errors: map[string]error{}}
		network.Host("10.0.0.1").Go(n.run("ben", bids(20)))
		network.Host("10.0.0.2").Go(n.run("cyd", bids(9)))
		network.Host("10.0.0.3").Go(n.run("ana", sells))
		time.Sleep(2 * time.Second)
		network.Host("10.0.0.4").Go(n.run("dan", bids(15)))
		time.Sleep(10 * time.Second)
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, name := range []string{"ana", "ben", "cyd", "dan"} {
			if want := (auction.Result{Winner: n.ids["ben"], Price: 16}); n.results[name] != want || n.errors[name] != nil {
				t.Errorf("%s knows of %+v, %v; want %+v", name, n.results[name], n.errors[name], want)
			}
		}
	})
}

// Nobody has what nobody wants, and bidders do not wait for a seller who has left.
func TestNobodyWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := oncetest.New(t, 1)
		n := &notes{ids: map[string]uuid.UUID{}, results: map[string]auction.Result{}, errors: map[string]error{}}
		seller := network.Host("10.0.0.1")
		seller.Go(n.run("ana", sells))
		network.Host("10.0.0.2").Go(n.run("ben", bids(9)))
		time.Sleep(10 * time.Second)
		n.mu.Lock()
		if n.results["ana"] != (auction.Result{}) || n.results["ben"] != (auction.Result{Price: 10}) {
			t.Errorf("ana knows of %+v, ben of %+v", n.results["ana"], n.results["ben"])
		}
		n.mu.Unlock()

		network.Host("10.0.0.3").Go(n.run("cyd", bids(9)))
		seller.Go(n.run("ana", func(ctx context.Context, node *once.Node) (auction.Result, error) {
			ctx, stop := context.WithTimeout(ctx, 2*time.Second)
			defer stop()
			return sells(ctx, node)
		}))
		time.Sleep(10 * time.Second)
		n.mu.Lock()
		defer n.mu.Unlock()
		if !errors.Is(n.errors["ana"], context.DeadlineExceeded) || !errors.Is(n.errors["cyd"], auction.ErrGone) {
			t.Errorf("ana ends with %v, cyd with %v", n.errors["ana"], n.errors["cyd"])
		}
	})
}
